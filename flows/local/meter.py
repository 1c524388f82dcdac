"""What a stage costs: wall seconds, and the peak memory of this process and its children together."""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType

import psutil

_SAMPLE_SECONDS = 0.5


class Meter:
    """Measure the body of a `with`. Memory is resident bytes summed over the process tree, sampled twice a second."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.peak_mb = 0.0
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Meter:
        self._begin = time.perf_counter()
        self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._begin
        self._done.set()
        self._sampler.join()

    def _sample(self) -> None:
        me = psutil.Process(os.getpid())
        while True:
            self.peak_mb = max(self.peak_mb, resident_mb(me))
            if self._done.wait(_SAMPLE_SECONDS):
                return


def resident_mb(root: psutil.Process) -> float:
    """Resident MiB of a process and all its descendants."""
    total = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20
