"""What a cycle leaves to be told: kept with the cycle in the warehouse, drawn as a box at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

COMPUTE_STAGES = (
    "encode items",
    "fit tokenizer",
    "extend ids",
    "identify cold items",
    "train ",
    "rank",
    "judge",
)


@dataclass(frozen=True, kw_only=True)
class ArmFigure:
    """One arm on the window: macro mean over users, and the paired difference to the challenger's rival."""

    arm: str
    role: str  # challenger | champion | baseline
    ndcg: float
    ndcg_low: float
    ndcg_high: float
    hit_rate: float
    challenger_lead: float | None  # challenger minus this arm, NDCG@10; None for the challenger itself
    lead_low: float | None
    lead_high: float | None


@dataclass(frozen=True, kw_only=True)
class StageFigure:
    stage: str
    seconds: float
    peak_mb: float
    reused: bool


@dataclass(frozen=True, kw_only=True)
class CycleSummary:
    """JSON values only; `from_dict(to_dict(s)) == s`."""

    cycle_id: str
    source: str
    as_of: str
    train_cutoff: str
    received: int
    accepted: int
    quarantined: int
    duplicates: int
    quarantine_reasons: dict[str, int]
    train_events: int
    window_users: int
    window_requests: int
    verdict: str
    reasons: tuple[str, ...]
    version: str
    champion_before: str | None
    champion_after: str | None
    tokenizer: str  # digest
    tokenizer_reused: bool
    new_ids: int
    arms: tuple[ArmFigure, ...]
    stages: tuple[StageFigure, ...]
    seconds: float
    addresses: dict[str, str]  # what -> where to look
    ids_note: str = ""  # health of a fitted tokenizer, or what was added to IDs that stay

    @property
    def engine_seconds(self) -> float:
        """All that is not encoding, training or replay."""
        compute = sum(s.seconds for s in self.stages if s.stage.startswith(COMPUTE_STAGES))
        return self.seconds - compute

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def all_reused(self) -> CycleSummary:
        """The same story when nothing had to be done again."""
        stages = tuple(replace(stage, seconds=0.0, reused=True) for stage in self.stages)
        return replace(self, stages=stages, seconds=0.0)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> CycleSummary:
        nested = {
            "reasons": tuple(stored["reasons"]),
            "arms": tuple(ArmFigure(**arm) for arm in stored["arms"]),
            "stages": tuple(StageFigure(**stage) for stage in stored["stages"]),
        }
        return cls(**{**stored, **nested})


def arm_figures(evidence: Mapping[str, Any]) -> Iterator[ArmFigure]:
    """Every arm of a replay's evidence, challenger first."""
    means = {(arm["arm"], arm["metric"]): arm for arm in evidence["arms"]}
    leads = {c["baseline"]: c for c in evidence["comparisons"] if c["metric"] == "ndcg@10"}
    roles = {evidence["challenger"]: "challenger", evidence["champion"]: "champion"}
    for arm in dict.fromkeys(arm["arm"] for arm in evidence["arms"]):
        ndcg, lead = means[arm, "ndcg@10"], leads.get(arm)
        yield ArmFigure(
            arm=arm,
            role=roles.get(arm, "baseline"),
            ndcg=ndcg["mean"],
            ndcg_low=ndcg["lower"],
            ndcg_high=ndcg["upper"],
            hit_rate=means[arm, "hr@10"]["mean"],
            challenger_lead=lead and lead["delta"],
            lead_low=lead and lead["lower"],
            lead_high=lead and lead["upper"],
        )
