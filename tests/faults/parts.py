"""The parts of the kinds, each struck in a process of its own and several at once: much of their time is waiting."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Protocol

from tests.faults.fault import Fault, Tally, strike_all

LANES = 4  # on two cores: two of them wait
# what takes longest begins first; the rest in the order of the kinds
_FIRST = ("Prefect", "MLflow", "retrainings", "PostgreSQL", "upgrades", "erasure", "object store")
_PATIENCE = 7_200.0  # seconds

Tell = Callable[[str], None]


class Faults(Protocol):
    """What a part of a kind strikes."""

    def __call__(self, scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]: ...


def parts_of(kind: str) -> Mapping[str, Faults]:
    """Its parts by name; a kind that names none is one part of its own name."""
    module = importlib.import_module(f"tests.faults.{kind}")
    parts: Mapping[str, Faults] = getattr(module, "PARTS", None) or {kind: module.faults}
    return parts


def strike_here(
    kind: str, scratch: Path, *, short: bool, seed: int, tell: Tell, only: str | None = None
) -> Tally:
    """All parts of a kind, or one, in this process. Raises LeftOut."""

    def faults() -> Iterator[Fault]:
        for name, part in parts_of(kind).items():
            if only in (None, name):
                yield from part(scratch / name, short=short, seed=seed)

    return strike_all(kind, faults(), tell)


def strike_side_by_side(kinds: Sequence[str], *, seed: int, tell: Tell) -> list[Tally]:
    """A tally for each kind that was not left out; `LANES` parts at once, by `python -m tests.faults --part`."""
    works = [(kind, name) for kind in kinds for name in parts_of(kind)]
    works.sort(key=lambda work: _FIRST.index(work[1]) if work[1] in _FIRST else len(_FIRST))
    with tempfile.TemporaryDirectory(prefix="recloop-tallies-") as folder:
        strike = partial(_in_a_process, seed=seed, tell=tell, folder=Path(folder))
        with ThreadPoolExecutor(LANES) as lanes:
            found = list(lanes.map(strike, works))
    by_kind = {kind: [tally for tally in found if tally and tally.kind == kind] for kind in kinds}
    return [_sum(kind, tallies) for kind, tallies in by_kind.items() if tallies]


def _in_a_process(work: tuple[str, str], *, seed: int, tell: Tell, folder: Path) -> Tally | None:
    kind, name = work
    into, begun = folder / f"{kind}-{name.replace(' ', '-')}.json", time.monotonic()
    command = [sys.executable, "-m", "tests.faults", "--only", kind, "--part", name, "--seed", str(seed)]
    process = subprocess.Popen([*command, "--tally", str(into)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        tell(line.rstrip("\n"))
    code = process.wait(_PATIENCE)
    if not into.exists():
        tell(f"{kind} / {name}: ended with {code} and no tally")
        return Tally(kind=kind, armed=1, violated=1, seconds=time.monotonic() - begun)
    told = json.loads(into.read_text())
    return Tally(**told) if told else None


def keep_tally(tally: Tally | None, path: Path) -> None:
    """Where the process that began this one reads it; whole, or not there. None: the part was left out."""
    aside = path.with_suffix(".aside")
    aside.write_text(json.dumps(asdict(tally) if tally else None))
    os.replace(aside, path)


def _sum(kind: str, parts: Sequence[Tally]) -> Tally:
    """Of parts that ran beside one another, the seconds are those of the longest."""
    whole = Tally(kind=kind, seconds=max(part.seconds for part in parts))
    for part in parts:
        whole.armed += part.armed
        whole.fired += part.fired
        whole.violated += part.violated
        whole.cpu_seconds += part.cpu_seconds
        whole.trouble += part.trouble
    return whole
