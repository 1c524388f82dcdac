"""Energy that the processor took, where Linux tells it (RAPL, /sys/class/powercap)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True, kw_only=True)
class EnergyReading:
    """Counters of all processor packages at one moment: zone -> (microjoules, where the counter wraps)."""

    counters: Mapping[str, tuple[int, int]]


def read_energy(root: Path = POWERCAP) -> EnergyReading | None:
    """The counters now; None where the machine has none or keeps them to root (most virtual machines)."""
    counters = {}
    for zone in sorted(root.glob("intel-rapl:[0-9]")) + sorted(root.glob("intel-rapl:[0-9][0-9]")):
        try:
            used = int((zone / "energy_uj").read_text())
            wraps = int((zone / "max_energy_range_uj").read_text())
        except (OSError, ValueError):
            return None
        counters[zone.name] = used, wraps
    return EnergyReading(counters=counters) if counters else None


def joules_between(before: EnergyReading | None, after: EnergyReading | None) -> float | None:
    """Energy of all packages between two readings, of everything that ran; None if either is missing.

    A counter that wrapped once is made up for; a package takes hours to wrap twice.
    """
    if before is None or after is None or before.counters.keys() != after.counters.keys():
        return None
    used = 0
    for zone, (now, wraps) in after.counters.items():
        then = before.counters[zone][0]
        used += now - then if now >= then else now + wraps - then
    return used / 1e6
