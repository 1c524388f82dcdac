"""What a stage costs: the clock's seconds, and the memory of a process with its children."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil

from flows.local.meter import Meter, resident_mb

_HOLDS = "held = bytearray(200 * 2**20); print('held', flush=True); input()"


def test_seconds_are_those_of_the_body() -> None:
    with Meter() as meter:
        time.sleep(0.2)
    assert 0.2 <= meter.seconds < 5
    assert meter.peak_mb > 10


def test_a_childs_memory_counts_while_it_lives() -> None:
    """A child that holds 200 MiB: seen by the meter, and gone after it."""
    before = resident_mb(psutil.Process())
    with (
        Meter() as meter,
        subprocess.Popen(
            [sys.executable, "-c", _HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child,
    ):
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        time.sleep(1.2)  # two samples
        child.kill()
    assert meter.peak_mb > before + 150
    assert resident_mb(psutil.Process()) < before + 150
