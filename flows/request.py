"""What a batch or a retraining cycle is asked to do: the form that Prefect's UI draws, and the CLI fills.

A request may leave "now" and the cut open. `settle_batch` and `settle_cycle` fill them in, as the first thing
that a flow does, so that a schedule, a form and the command line come to the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from components.artifact import digest_of
from components.data import cycles
from components.data.batch import Batch
from components.data.contracts.vector_check import VectorLimits
from components.data.sources.arrival import end_of_events, moments_at
from components.data.sources.opening import open_source
from components.data.sources.poison import poisoned
from components.data.timestamps import read_timestamps
from components.evaluation.gate import GateProfile
from components.evaluation.profile_file import SHIPPED, profile_of
from components.recommender.arm import ArmName
from flows.settings import load_settings
from flows.warehouse import warehouse


class BadRequest(Exception):
    """What was asked for contradicts itself; the message says what to ask instead."""


class NothingNew(BadRequest):
    """Nothing has arrived since the last cycle, so there is no window to replay on."""


FIRST_CUT = (
    0.7  # of the events, trained on by the first cycle that says no cut; the others are its replay window
)


class BatchRequest(BaseModel):
    """What has arrived: the events of [since, as_of) of a source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(
        default="movielens", description="movielens, synthetic, or a folder of events and items"
    )
    since: AwareDatetime | None = Field(
        default=None, description="the batch starts here; none: from the first event"
    )
    as_of: AwareDatetime | None = Field(
        default=None, description="now; later events have not arrived. None: the data's own end"
    )
    max_bad_share: float = Field(
        default=0.05, ge=0, le=1, description="circuit breaker: more bad rows stop the run"
    )
    poisoned_rows: int = Field(
        default=0, ge=0, description="rows spoiled on purpose, to see them quarantined"
    )
    seed: int = Field(default=7, ge=0, description="of every draw: tokenizer, training, spoiled rows")


ProfileName = Literal["small", "production", "sequential"]  # of the gate
_FORM = (  # in the order in which a person asks; what is inherited would stand first
    "source", "challenger", "profile", "gate", "preset", "tokenizer", "mode", "filter_seen", "train_cutoff", "since", "as_of",
    "seed", "max_bad_share", "max_missing_share", "max_zero_share", "max_duplicate_share", "min_norm", "max_norm",
    "min_present", "poisoned_rows",
)  # fmt: skip


def _as_a_form(schema: dict[str, Any]) -> None:
    """Prefect draws one field after the other, as the schema has them."""
    schema["properties"] = {name: schema["properties"][name] for name in _FORM}


class CycleRequest(BatchRequest):
    """One turn of the loop: take in what has arrived, train before the cut, replay after it, decide.

    Times are UTC and half-open: the batch is [since, as_of), training is before train_cutoff, the replay
    window is [train_cutoff, as_of).
    """

    model_config = ConfigDict(json_schema_extra=_as_a_form)

    train_cutoff: AwareDatetime | None = Field(
        default=None,
        description="train on what is earlier, replay on what is later. None: where the last cycle's replay ended; "
        "in a first cycle, after .7 of the events",
    )
    challenger: ArmName = Field(default="mmgrec", description="the arm that may become champion")
    profile: ProfileName = Field(
        default="small", description="gate profile, sized to the data; sequential: for a window that grows"
    )
    gate: dict[str, Any] | None = Field(
        default=None,
        description="a gate profile of your own in place of these: `base` and the fields that differ from it "
        "(docs/gate-profiles.md)",
    )
    mode: Literal["rolling", "batch"] = Field(
        default="rolling",
        description="rolling: a list before every event; batch: one list a user, at the cut",
    )
    filter_seen: bool = Field(
        default=True, description="off where people take things again: repeats count, in lists and in truth"
    )
    preset: Literal["default", "quick"] = Field(
        "default", description="quick: for tests, minutes become seconds"
    )
    tokenizer: Literal["auto", "reuse", "refit"] = Field(
        default="auto",
        description="auto: refit when its health on new items falls; reuse keeps every ID that exists, always",
    )

    max_missing_share: float = Field(
        default=VectorLimits.max_missing_share, ge=0, le=1,
        description="items that may lack a modality that others have; more stop the run",
    )  # fmt: skip
    max_zero_share: float = Field(
        default=VectorLimits.max_zero_share, ge=0, le=1,
        description="vectors of a modality that may be all zero; more stop the run",
    )  # fmt: skip
    max_duplicate_share: float = Field(
        default=VectorLimits.max_duplicate_share, ge=0, le=1,
        description="vectors of a modality that may repeat another item's; more stop the run",
    )  # fmt: skip
    min_norm: float = Field(
        default=VectorLimits.min_norm,
        ge=0,
        description="L2 norm that a vector which is not zero has at least",
    )
    max_norm: float = Field(
        default=VectorLimits.max_norm, gt=0, description="L2 norm that a vector has at most"
    )
    min_present: int = Field(
        default=VectorLimits.min_present, ge=1, description="items with a vector that a modality has at least"
    )

    @property
    def vector_limits(self) -> VectorLimits:
        """What the item vectors of the cycle are held to."""
        return VectorLimits(**{field.name: getattr(self, field.name) for field in fields(VectorLimits)})

    @property
    def gate_profile(self) -> GateProfile:
        return profile_of(self.gate) if self.gate else SHIPPED[self.profile]()

    @model_validator(mode="after")
    def _gate_can_be_meant(self) -> CycleRequest:
        """Raises ValueError in the words of the profile."""
        assert self.gate_profile
        return self

    @model_validator(mode="after")
    def _limits_can_be_meant(self) -> CycleRequest:
        """Raises ValueError in the words of the limits."""
        assert self.vector_limits
        return self

    @model_validator(mode="after")
    def _ordered(self) -> CycleRequest:
        if self.train_cutoff and self.as_of and self.train_cutoff >= self.as_of:
            raise ValueError(
                f"train_cutoff {self.train_cutoff:%Y-%m-%dT%H:%MZ} is not before as_of {self.as_of:%Y-%m-%dT%H:%MZ}: "
                "nothing would be left to replay on. Pass an earlier --train-cutoff."
            )
        return self


@dataclass(frozen=True, kw_only=True)
class SettledBatch:
    """A batch whose "now" is known."""

    request: BatchRequest
    as_of: datetime

    def read(self) -> Batch:
        """What has arrived, spoiled on purpose where the request says so.

        Where the request leaves "now" open, events of the future are read too: the contracts refuse them by name.
        """
        source = open_source(self.request.source, home=load_settings().sources)
        batch = source.read(since=self.request.since, until=self.request.as_of)
        if self.request.poisoned_rows:
            return poisoned(batch, seed=self.request.seed, count=self.request.poisoned_rows, as_of=self.as_of)
        return batch


@dataclass(frozen=True, kw_only=True)
class SettledCycle:
    """A cycle whose "now" and cut are known."""

    asked: CycleRequest
    request: CycleRequest  # the same with "now" and the cut filled in
    as_of: datetime
    train_cutoff: datetime

    @property
    def id(self) -> str:
        """A cycle is what was asked for: the same request is the same cycle, continued or told again."""
        return digest_of(self.request.model_dump(mode="json"))

    @property
    def batch(self) -> SettledBatch:
        return SettledBatch(request=self.asked, as_of=self.as_of)


def settle_batch(request: BatchRequest) -> SettledBatch:
    """Fill in "now": the end of the source's own data, never later than the clock."""
    if request.as_of is not None:
        return SettledBatch(request=request, as_of=request.as_of)
    source = open_source(request.source, home=load_settings().sources)
    end = end_of_events(source.read(since=request.since, until=None).events, clock=datetime.now(UTC))
    return SettledBatch(request=request, as_of=end)


def settle_cycle(request: CycleRequest) -> SettledCycle:
    """Fill in "now" and the cut: where the last cycle's replay ended, or, in a first cycle, after FIRST_CUT.

    Raises NothingNew if nothing has arrived since the last cycle, BadRequest if the cut is not before "now".
    """
    as_of = settle_batch(request).as_of
    cut = request.train_cutoff or _next_cut(request, as_of)
    settled = cycle_request(**request.model_dump() | {"as_of": as_of, "train_cutoff": cut})
    return SettledCycle(asked=request, request=settled, as_of=as_of, train_cutoff=cut)


def cycle_request(**fields: Any) -> CycleRequest:
    """The request, or BadRequest in the words of its checks."""
    try:
        return CycleRequest(**fields)
    except ValidationError as error:
        told = [f"{'.'.join(map(str, e['loc']))} {e['msg']}".strip() for e in error.errors()]
        raise BadRequest("; ".join(told)) from None


def _next_cut(request: CycleRequest, now: datetime) -> datetime:
    ends = [cycle.as_of for cycle in cycles.cycles(warehouse())]
    if earlier := [end for end in ends if end < now]:
        return earlier[-1]
    if ends:
        raise NothingNew(
            f"nothing has arrived since the last cycle, whose replay ended {ends[-1]:%Y-%m-%dT%H:%MZ}. Come back with "
            "more, or say where training ends and the replay begins: --train-cutoff 1998-01-01T00:00Z"
        )
    source = open_source(request.source, home=load_settings().sources)
    events = source.read(since=request.since, until=now).events
    if "timestamp" not in events or read_timestamps(events["timestamp"]).moments.dropna().empty:
        raise BadRequest(
            "no event has a time that can be read, so it cannot be said where training ends. "
            f"`recloop validate --source {request.source}` shows what is amiss."
        )
    (cut,) = moments_at(events, (FIRST_CUT,))
    return cut
