"""A probe: an attack, and beside it what shows that the attack would work where nothing stood in its way.

It fires if its control does: the honest request is answered, the planted pickle runs where it is let run.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.fault import Fault, Outcome

KIND = "security"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """`attack` says what it got, "" if nothing; `control` whether the same way is open to what is harmless."""

    name: str
    where: str
    holds: str
    control: Callable[[], object]
    attack: Callable[[], str]

    def as_fault(self) -> Fault:
        return Fault(kind=KIND, name=self.name, where=self.where, holds=self.holds, strike=self._strike)

    def _strike(self) -> Outcome:
        fired = bool(self.control())
        said = self.attack()
        return Outcome(fired=fired, violations=(said,) if said else ())


def refused(call: Callable[[], object], *errors: type[Exception]) -> str:
    """What is wrong if `call` is not refused by one of these."""
    try:
        found = call()
    except errors:
        return ""
    except Exception as error:
        return f"failed with {type(error).__name__}: {error}"
    return f"was taken: {str(found)[:200]}"


def fresh(folder: Path) -> Path:
    """The folder, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
