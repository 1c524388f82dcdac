"""Eight properties over made-up inputs, by Hypothesis; each file of them is a part."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.faults.fault import Fault

OF = ("arrival", "point_in_time", "quarantine", "ids", "gate", "ledger", "erasure")


def _of(name: str, scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    scratch.mkdir(parents=True)
    for found in importlib.import_module(f"tests.faults.property_{name}").properties(scratch):
        yield found.as_fault(short=short, by=seed)


PARTS = {name: partial(_of, name) for name in OF}
