"""Peak memory of this process, in units of 10^6 bytes."""

from __future__ import annotations

import resource
from pathlib import Path


def peak_mb() -> float:
    """What the kernel saw at most; on Linux without what the parent held when it started this process.

    There getrusage hands the parent's peak down through exec, and a benchmark's parent has loaded torch.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
