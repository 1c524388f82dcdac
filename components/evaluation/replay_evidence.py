"""What a replay publishes, field by field as evidence.json holds it; a missing figure is NaN here, null there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from components.evaluation.alpha_spending import Attempt
from components.evaluation.arm_means import ArmMean
from components.evaluation.comparison import Comparison
from components.evaluation.evidence_file import digest_of_content
from components.evaluation.gate import Outcome, Verdict
from components.evaluation.latency import Latency, LatencyCheck
from components.evaluation.new_items import NewItemEffect
from components.evaluation.plan import PlanCounts
from components.evaluation.profile import GateProfile
from components.evaluation.rehearsal import Rehearsal
from components.evaluation.request_groups import Mode
from components.evaluation.satisfiability import Satisfiability
from components.evaluation.scores import WHOLE
from components.evaluation.sequential import SequentialPath
from components.evaluation.trial import Compared
from components.evaluation.typed_json import LEFT_OUT_AT_DEFAULT, to_json

Role = Literal["challenger", "champion", "baseline"]


@dataclass(frozen=True, kw_only=True)
class ReplayedWindow(PlanCounts):
    """The window, how it was replayed, and what it held."""

    cut: datetime
    window_end: datetime  # exclusive
    mode: Mode
    filter_seen: bool
    event_weights: str = field(default="", metadata=LEFT_OUT_AT_DEFAULT)  # of event types, where any differs


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a clock had a part in: the verdict with what latency makes of it. The rest repeats to the byte."""

    outcome: Outcome
    reasons: tuple[str, ...]
    latency: Mapping[str, Latency]  # empty where it was not measured
    latency_check: LatencyCheck | None  # None where no champion or no rule asks for one


@dataclass(frozen=True, kw_only=True)
class ReplayEvidence:
    """All that is published of a replay; `ReplayResult` says what each field means."""

    kind: Literal["offline replay"] = "offline replay"
    verdict: Verdict
    challenger: str
    champion: str | None
    arms: tuple[ArmMean, ...]  # challenger first, each metric of an arm after the other
    list_figures: Mapping[str, Mapping[str, float]]
    comparisons: tuple[Comparison, ...]
    slices: tuple[Comparison, ...]
    adjusted_p: Mapping[str, float]
    slice_users: Mapping[str, int]
    slices_not_evaluable: tuple[str, ...]
    satisfiability: Satisfiability
    sequential: SequentialPath | None
    rehearsal: Rehearsal | None
    attempt: Attempt | None
    alpha_one_sided: float
    compared: Compared
    profile: GateProfile
    plan: ReplayedWindow
    dropped_places: Mapping[str, int]
    digests: Mapping[str, str]
    data_digest: str
    gate_hash: str
    digest: str  # of all but itself and `measured`
    measured: Measured
    new_items: NewItemEffect | None = field(default=None, metadata=LEFT_OUT_AT_DEFAULT)

    @property
    def arm_names(self) -> tuple[str, ...]:
        """Challenger, champion, then the arms that stand beside."""
        return tuple(dict.fromkeys(mean.arm for mean in self.arms))

    def mean(self, arm: str, metric: str) -> ArmMean:
        """Raises KeyError for an arm or a metric that was not replayed."""
        for mean in self.arms:
            if (mean.arm, mean.metric) == (arm, metric):
                return mean
        raise KeyError(f"{metric} of {arm}; arms are {', '.join(self.arm_names)}")

    def lead_over(self, arm: str, metric: str) -> Comparison | None:
        """Challenger minus `arm` over the whole; None for the challenger itself and for what was not compared."""
        for found in self.comparisons:
            if (found.baseline, found.metric, found.slice) == (arm, metric, WHOLE):
                return found
        return None

    def role_of(self, arm: str) -> Role:
        if arm == self.challenger:
            return "challenger"
        return "champion" if arm == self.champion else "baseline"

    def figures_of(self, arm: str) -> dict[str, float]:
        """Means and list figures of one arm, by name; without those that are not finite."""
        means = {mean.metric: mean.mean for mean in self.arms if mean.arm == arm}
        every = {**means, **self.list_figures.get(arm, {})}
        return {name: value for name, value in every.items() if math.isfinite(value)}

    def to_dict(self) -> dict[str, Any]:
        """JSON values; the same bytes from the same inputs, but for the key `measured`."""
        told: dict[str, Any] = to_json(self)
        return told

    def digest_of_content(self) -> str:
        """SHA-256 of the reproducible part, which `digest` states."""
        return digest_of_content(self.to_dict())
