"""All that a replay found, as one value: what tables, report and ledger are made from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from components.evaluation.alpha_spending import Attempt
from components.evaluation.arm_means import ArmMean
from components.evaluation.comparison import Comparison
from components.evaluation.gate import GateProfile, Outcome, Verdict
from components.evaluation.latency import Latency, LatencyCheck
from components.evaluation.new_items import NewItemEffect
from components.evaluation.rehearsal import Rehearsal
from components.evaluation.replay_evidence import Measured, ReplayedWindow, ReplayEvidence
from components.evaluation.satisfiability import Satisfiability
from components.evaluation.scores import ReplayScores
from components.evaluation.sequential import SequentialPath
from components.evaluation.trial import Compared

_REFIT = (
    "the champion learned past the cut: its recipe was compared, refitted at the cut, and not its artifact"
)


@dataclass(frozen=True, kw_only=True)
class ReplayResult:
    """All that a replay found. Everything but `latency` and what follows from it repeats to the byte."""

    scores: ReplayScores  # of every user, for tables and plots; not part of `to_dict`
    challenger: str
    champion: str | None
    arms: tuple[ArmMean, ...]
    list_figures: Mapping[str, Mapping[str, float]]
    comparisons: tuple[Comparison, ...]  # over the whole
    slices: tuple[Comparison, ...]
    slice_users: Mapping[str, int]  # with a value in it; below `min_slice_users` a slice decides nothing
    adjusted_p: Mapping[str, float]  # "metric against baseline": Holm over secondaries, BH over slices
    verdict: Verdict
    satisfiability: Satisfiability
    sequential: SequentialPath | None  # of the primary against the champion (else the first rival)
    rehearsal: Rehearsal | None  # of the live test, same pair; None with too few users to split
    attempt: Attempt | None  # which challenger of this window, at which alpha; None: none was counted
    alpha_one_sided: float  # at which everything was compared
    compared: Compared  # what stood for the champion
    latency: Mapping[str, Latency] | None
    latency_check: LatencyCheck | None  # None where no champion or no rule asks for one
    profile: GateProfile
    window: ReplayedWindow
    dropped_places: Mapping[str, int]
    digests: Mapping[str, str]
    data_digest: str
    gate_hash: str
    new_items: NewItemEffect | None = None  # of a share that the challenger gives them; None: it gives none

    @property
    def outcome(self) -> Outcome:
        """The verdict, and what latency makes of a PROMOTE: too slow is a REJECT, unmeasured a HOLD."""
        if (
            self.verdict.outcome is Outcome.PROMOTE
            and self.latency_check
            and not self.latency_check.is_passed
        ):
            return Outcome.HOLD if math.isnan(self.latency_check.ratio) else Outcome.REJECT
        return self.verdict.outcome

    @property
    def reasons(self) -> tuple[str, ...]:
        refit = (_REFIT,) if self.compared == "refit at the cut" else ()
        if self.outcome is not self.verdict.outcome and self.latency_check:
            return (self.latency_check.reason, *refit)
        return (*self.verdict.reasons, *refit)

    @property
    def slices_not_evaluable(self) -> tuple[str, ...]:
        """Slices with fewer users than the profile asks for: never a pass, and never a failure."""
        least = self.profile.validity.min_slice_users
        return tuple(name for name, users in self.slice_users.items() if users < least)

    @cached_property
    def evidence(self) -> ReplayEvidence:
        """What is published of it."""
        found = ReplayEvidence(
            verdict=self.verdict,
            challenger=self.challenger,
            champion=self.champion,
            arms=self.arms,
            list_figures=self.list_figures,
            comparisons=self.comparisons,
            slices=self.slices,
            adjusted_p=self.adjusted_p,
            slice_users=self.slice_users,
            slices_not_evaluable=self.slices_not_evaluable,
            satisfiability=self.satisfiability,
            sequential=self.sequential,
            rehearsal=self.rehearsal,
            attempt=self.attempt,
            alpha_one_sided=self.alpha_one_sided,
            compared=self.compared,
            profile=self.profile,
            plan=self.window,
            dropped_places=self.dropped_places,
            digests=self.digests,
            data_digest=self.data_digest,
            gate_hash=self.gate_hash,
            digest="",
            new_items=self.new_items,
            measured=Measured(
                outcome=self.outcome,
                reasons=self.reasons,
                latency=self.latency or {},
                latency_check=self.latency_check,
            ),
        )
        return replace(found, digest=found.digest_of_content())

    @property
    def digest(self) -> str:
        """SHA-256 of the reproducible part."""
        return self.evidence.digest

    def to_dict(self) -> dict[str, Any]:
        """The evidence as JSON values."""
        return self.evidence.to_dict()

    def metrics_table(self) -> pd.DataFrame:
        """One row an arm: each metric's mean with bounds, then the figures of its lists."""
        rows: dict[str, dict[str, Any]] = {}
        for figure in self.arms:
            row = rows.setdefault(figure.arm, {"arm": figure.arm, "users": figure.n})
            row |= {
                figure.metric: figure.mean,
                f"{figure.metric} lower": figure.lower,
                f"{figure.metric} upper": figure.upper,
            }
        for arm, row in rows.items():
            row |= self.list_figures[arm]
        return pd.DataFrame(list(rows.values()))
