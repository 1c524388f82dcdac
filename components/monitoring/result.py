"""What one look at the champion found, as it is kept, shown and told; and the looks before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from components.evaluation.typed_json import MismatchedJson, from_json, to_json
from components.monitoring.decay import Decay
from components.monitoring.measure import Measure, Status, worst

RETRAIN = "recloop retrain"


@dataclass(frozen=True, kw_only=True)
class MonitorResult:
    """Events of [since, as_of) against what the version was trained on, before `train_end`."""

    model: str
    version: str
    bundle: str  # digest, as the next
    snapshot: str  # of the training
    train_end: datetime
    since: datetime
    as_of: datetime
    num_training_events: int
    num_events: int
    measures: tuple[Measure, ...]
    decay: Decay | None
    notes: tuple[str, ...]  # what a reader should know beside the measures

    @property
    def status(self) -> Status:
        return worst(self.measures)

    def of(self, status: Status) -> tuple[Measure, ...]:
        return tuple(measure for measure in self.measures if measure.status == status)

    @property
    def refits_tokenizer(self) -> bool:
        """Whether the next retraining makes new semantic IDs, if the tokenizer that it carries on is this one."""
        return any(measure.group == "tokenizer" for measure in self.of("drift"))

    def to_dict(self) -> dict[str, Any]:
        """JSON values, the status among them."""
        told: dict[str, Any] = to_json(self)
        return told | {"status": self.status}


@dataclass(frozen=True, kw_only=True)
class PastLook:
    """One point of every series."""

    as_of: datetime
    version: str
    status: str
    values: Mapping[str, tuple[float | None, str]]  # measure -> value, status


def past_looks(kept: Iterable[Mapping[str, Any]]) -> tuple[PastLook, ...]:
    """What `to_dict` gave, in the same order; one that is of another shape is left out."""
    return tuple(look for told in kept if (look := _past(told)) is not None)


def _past(told: Mapping[str, Any]) -> PastLook | None:
    try:
        result = from_json(MonitorResult, {name: told[name] for name in told if name != "status"})
    except MismatchedJson:
        return None
    return PastLook(
        as_of=result.as_of,
        version=result.version,
        status=result.status,
        values={m.name: (m.value, m.status) for m in result.measures},
    )
