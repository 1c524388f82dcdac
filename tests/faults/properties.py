"""Eight properties over made-up inputs, by Hypothesis."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from tests.faults.fault import Fault

OF = ("arrival", "point_in_time", "quarantine", "ids", "gate", "ledger", "erasure")


def faults(folder: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    for name in OF:
        module = importlib.import_module(f"tests.faults.property_{name}")
        (folder / name).mkdir(parents=True)
        for found in module.properties(folder / name):
            yield found.as_fault(short=short, by=seed)
