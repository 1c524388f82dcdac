"""What a study found, as it is told, and as the preset file that a retraining is given."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.artifact import digest_of
from components.recommender.search_space import Setting
from components.tuning.study import Tried


@dataclass(frozen=True, kw_only=True)
class Lead:
    """The best trial minus the preset, mean over users, with the two-sided interval of a paired bootstrap."""

    delta: float
    lower: float
    upper: float
    seeds: tuple[int, ...]
    best: float  # mean of each
    preset: float


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is maximised, and on what."""

    metric: str
    validate_from: str  # ISO 8601, UTC: trained before it
    cut: str  # validated before it: where the next retraining's replay begins
    users: int
    requests: int


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What was allowed, and what it took, earlier calls included."""

    max_trials: int
    max_minutes: float
    seconds: float  # by the clock
    cpu_seconds: float
    stopped: str  # why the search ended


@dataclass(frozen=True, kw_only=True)
class Found:
    """A study at its end, or as far as its budget went."""

    arm: str
    preset: str
    study: str  # digest of all that the trials depend on
    data: str  # digest of what was asked on the validation window
    seed: int
    objective: Objective
    budget: Spent
    trials: tuple[Tried, ...]
    best: int  # number of the trial
    searched: (
        Lead | None
    )  # with the study's own seed: the best of many flatters itself; None: the preset is the best
    confirmed: Lead | None  # with fresh seeds; None: not done
    recommended: bool
    why: str  # it is, or is not

    @property
    def settings(self) -> dict[str, Setting]:
        return self.trials[self.best].settings

    def as_preset(self) -> dict[str, Any]:
        """The preset file's content: what decides the training first, then where it comes from."""
        told = json.loads(json.dumps(asdict(self)))
        trials = told.pop("trials")
        head = {"arm": told.pop("arm"), "preset": told.pop("preset"), "settings": self.settings}
        return {**head, "study": told, "trials": trials}

    def write(self, path: Path) -> str:
        """Old or new, never half. Returns the digest by which a version names the file."""
        content = self.as_preset()
        aside = path.with_suffix(".part")
        aside.write_text(json.dumps(content, indent=1), encoding="utf-8")
        os.replace(aside, path)
        return digest_of(content)
