"""What a batch or a retraining cycle is asked to do: the form that Prefect's UI draws, and the CLI fills.

A request may leave "now" and the cut open; `flows.settled` fills them in.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from components.data.contracts.batch_check import ContractConfig
from components.data.contracts.ranges import read_value_ranges
from components.data.contracts.vector_check import VectorLimits
from components.data.sources.opening import Source, open_source
from components.evaluation.gate import GateProfile
from components.evaluation.profile_file import SHIPPED, profile_of
from components.event_weights import NONE, event_weights_text, read_event_weights
from components.preference import preference_text, read_preference
from components.recommender.names import NEW_ITEM_ARMS, PREFERENCE_ARMS, ArmName, PresetName
from components.recommender.new_item_share import NewItemShare
from components.recommender.search_space import Settings
from components.recommender.tuned_preset import TunedPresetRefused, carried_preset
from components.tokenizer.names import TokenizerName
from flows.settings import load_settings


class BadRequest(Exception):
    """What was asked for contradicts itself; the message says what to ask instead."""


Request = TypeVar("Request", bound="BatchRequest")


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
    mapping: str = Field(
        default="",
        description="which file and column means what, such as user=visitorid,item=itemid,time=timestamp:ms",
    )
    max_bad_share: float = Field(
        default_factory=lambda: load_settings().max_bad_share,
        ge=0,
        le=1,
        description="circuit breaker: a larger share of bad events stops the run",
    )
    max_bad_item_share: float = Field(
        default_factory=lambda: load_settings().max_bad_item_share,
        ge=0,
        le=1,
        description="circuit breaker: a larger share of bad items stops the run",
    )
    value_ranges: str = Field(
        default_factory=lambda: load_settings().value_ranges,
        validate_default=True,
        description="event types that need a value, and its span, such as rating=0:10; none: any value",
    )
    poisoned_rows: int = Field(
        default=0, ge=0, description="rows spoiled on purpose, to see them quarantined"
    )
    seed: int = Field(default=7, ge=0, description="of every draw: tokenizer, training, spoiled rows")

    @field_validator("value_ranges")
    @classmethod
    def _are_ranges(cls, text: str) -> str:
        read_value_ranges(text)
        return text

    @property
    def called(self) -> str:
        """The data by name, and until when, where that was said: for a reader of Prefect's list of runs."""
        until = f" until {self.as_of:%Y-%m-%d}" if self.as_of else ""
        return f"{Path(self.source).name}{until}"

    @property
    def contract(self) -> ContractConfig:
        """What the batch is held to."""
        return ContractConfig(
            max_bad_event_share=self.max_bad_share,
            max_bad_item_share=self.max_bad_item_share,
            value_ranges=read_value_ranges(self.value_ranges),
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What makes it the request it is: what it says, but for later fields that it leaves at their default."""
        said = self.model_dump(mode="json")
        return {name: value for name, value in said.items() if _LATER.get(name) != value}

    def opened_source(self) -> Source:
        """The source as it is to be read."""
        return open_source(self.source, home=load_settings().sources, mapping=self.mapping)


ProfileName = Literal["small", "production", "sequential"]  # of the gate
_FORM = (  # in the order in which a person asks; what is inherited would stand first
    "source", "challenger", "more_challengers", "profile", "preset", "tuned", "warm_start", "new_items", "preference",
    "tokenizer", "tokenizer_name", "mode", "filter_seen", "train_cutoff", "since", "as_of", "seed", "mapping", "gate",
    "max_bad_share", "max_bad_item_share", "value_ranges", "event_weights", "max_missing_share", "max_zero_share",
    "max_duplicate_share", "min_norm", "max_norm", "min_present", "poisoned_rows",
)  # fmt: skip


def _as_a_form(schema: dict[str, Any]) -> None:
    """Prefect draws one field after the other, as the schema has them."""
    schema["properties"] = {name: schema["properties"][name] for name in _FORM}


_LATER: dict[str, Any] = {
    "gate": None, "mapping": "", "max_bad_item_share": 0.05, "value_ranges": "rating=0:10", "event_weights": "",
    "tuned": None, "warm_start": False, "tokenizer_name": None, "more_challengers": [], "new_items": 0.0,
    "preference": "",
}  # fmt: skip


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
    more_challengers: tuple[ArmName, ...] = Field(
        default=(),
        max_length=5,
        description="arms that challenge in the same cycle: all share the window's alpha, and the best of those that "
        "pass the gate is promoted",
    )
    profile: ProfileName = Field(
        default="small", description="gate profile, sized to the data; sequential: for a window that grows"
    )
    gate: dict[str, Any] | None = Field(
        default=None,
        description="a gate profile of your own in place of these: `base` and the fields that differ from it "
        "(docs/how-to/gate-profiles.md)",
    )
    mode: Literal["rolling", "batch"] = Field(
        default="rolling",
        description="rolling: a list before every event; batch: one list a user, at the cut",
    )
    filter_seen: bool = Field(
        default=True, description="off where people take things again: repeats count, in lists and in truth"
    )
    event_weights: str = Field(
        default_factory=lambda: load_settings().event_weights,
        validate_default=True,
        description="how much events of a type count, such as view=0.2,purchase=1: in training, popularity, and, where "
        "0, not as truth either. Types that are not named: 1. Empty: as recloop.yaml says; none: all alike",
    )
    preset: PresetName = Field(
        "default",
        description="quick: for tests, minutes become seconds; accurate: at more cost, of arms that have one",
    )
    tuned: dict[str, Any] | None = Field(
        default=None,
        description="settings of the challenger, or of one of several, in place of the preset's own: what stands in a "
        "file of `recloop tune`",
    )
    warm_start: bool = Field(
        default_factory=lambda: load_settings().warm_start,
        description="begin training at the champion's weights, for at most .3 of the epochs; where that cannot be, a "
        "cold training, and why",
    )
    new_items: Annotated[float, Field(ge=0, lt=1)] | Literal["auto"] = Field(
        default=0.0,
        description="share of the places of the challenger's lists that items without a training event get at least, "
        "such as 0.02; auto: as many as events went to the youngest tenth "
        "of the items; 0: what they earn",
    )
    preference: str = Field(
        default="",
        description="what the lists of a challenger with several objectives (multitron) aim at, by event type, such as "
        "purchase=0.8,click=0.2; a type that is not named has no part. Empty: all types alike",
    )
    tokenizer: Literal["auto", "reuse", "refit"] = Field(
        default="auto",
        description="auto: refit when its health on new items falls; reuse keeps every ID that exists, always",
    )
    tokenizer_name: TokenizerName | None = Field(
        default=None,
        description="how semantic IDs are made where a tokenizer is fitted (docs/arms.md, Tokenizers); another "
        "than made those that exist is fitted under auto, and refused under reuse. None: as those that exist, else "
        "graph_rqvae. paper is a baseline and passes whatever its health",
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
    def challengers(self) -> tuple[ArmName, ...]:
        """All, in the order in which they were named."""
        return (self.challenger, *self.more_challengers)

    @property
    def challenged_by(self) -> str:
        """Their names, for a reader."""
        return ", ".join(self.challengers)

    @property
    def weighs_types(self) -> bool:
        """Whether event types count differently; a training that tells them apart keeps them in its rows."""
        return bool(read_event_weights(self.event_weights))

    def settings_of(self, arm: str) -> Settings:
        """What a tuned preset sets of this arm; nothing of another than the one it was tuned for."""
        return self.tuned["settings"] if self.tuned and self.tuned["arm"] == arm else {}

    def tuned_digest(self, arm: str) -> str:
        """Of the file whose settings this arm is trained with; "" for a shipped preset."""
        return str(self.tuned["digest"]) if self.tuned and self.tuned["arm"] == arm else ""

    def new_item_share(self, arm: str) -> NewItemShare | None:
        """The share that new items get in this arm's lists; None where they get what they earn."""
        if not self.new_items or arm != self.challenger:
            return None
        share = None if self.new_items == "auto" else self.new_items
        return NewItemShare(share=share, exclude_seen=self.filter_seen)

    def preference_of(self, arm: str) -> str:
        """What this arm's lists are to aim at; "" where that was not said, or it takes no preference."""
        return self.preference if arm in self.challengers and arm in PREFERENCE_ARMS else ""

    @field_validator("new_items", mode="before")
    @classmethod
    def _is_a_share(cls, told: Any) -> Any:
        """Said in one sentence: of a number or a word, pydantic would say both of its complaints."""
        try:
            if told == "auto" or 0 <= float(told) < 1:
                return told
        except (TypeError, ValueError):
            pass
        raise ValueError(
            f"{told!r} is no share of places: give a number from 0 to below 1, such as .02, or auto"
        )

    @model_validator(mode="after")
    def _can_raise_new_items(self) -> CycleRequest:
        if self.new_items and self.more_challengers:
            raise ValueError(
                f"new_items is {self.new_items}, which is given by one challenger alone: name one arm, or leave it out"
            )
        if self.new_items and self.challenger not in NEW_ITEM_ARMS:
            raise ValueError(
                f"new_items is {self.new_items}, and {self.challenger} cannot give new items a share: leave it out, "
                f"or challenge with one of {', '.join(sorted(NEW_ITEM_ARMS))}"
            )
        return self

    @field_validator("preference")
    @classmethod
    def _is_a_preference(cls, text: str) -> str:
        """Two lines that mean the same are the same request."""
        return preference_text(read_preference(text))

    @model_validator(mode="after")
    def _can_prefer(self) -> CycleRequest:
        if self.preference and not PREFERENCE_ARMS & set(self.challengers):
            raise ValueError(
                f"preference is {self.preference}, and {self.challenged_by} takes none: leave it out, or challenge "
                f"with {', '.join(sorted(PREFERENCE_ARMS))}"
            )
        return self

    @field_validator("tuned", mode="before")
    @classmethod
    def _is_a_tuned_preset(cls, told: Any) -> Any:
        """Of a whole file, what decides the training; raises ValueError in the words of the preset."""
        try:
            return None if told is None else carried_preset(told)
        except TunedPresetRefused as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _tuned_from_this_preset(self) -> CycleRequest:
        if self.tuned and self.tuned["preset"] != self.preset:
            raise ValueError(
                f"the settings in tuned were searched from preset {self.tuned['preset']}, and preset is {self.preset}: "
                f"ask for preset {self.tuned['preset']}"
            )
        return self

    @model_validator(mode="after")
    def _named_once(self) -> CycleRequest:
        if twice := sorted({name for name in self.challengers if self.challengers.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} is named twice among the challengers: name each arm once")
        return self

    @field_validator("event_weights")
    @classmethod
    def _are_weights(cls, text: str) -> str:
        """Two lines that mean the same are the same request."""
        return NONE if text.strip() == NONE else event_weights_text(read_event_weights(text))

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


def refuse_other_arm(request: CycleRequest, file: str = "the tuned preset") -> None:
    """Raise BadRequest for settings that were tuned for another arm than the challenger, or each of several."""
    if request.tuned and request.tuned["arm"] not in request.challengers:
        who = "challengers are" if request.more_challengers else "challenger is"
        raise BadRequest(
            f"{file}: arm is {request.tuned['arm']!r}, and the {who} {request.challenged_by}. Pass "
            f"--challenger {request.tuned['arm']}, or --preset {request.preset}"
        )


def batch_request(**fields: Any) -> BatchRequest:
    """The request, or BadRequest in the words of its checks."""
    return _checked(BatchRequest, fields)


def cycle_request(**fields: Any) -> CycleRequest:
    """The request, or BadRequest in the words of its checks."""
    return _checked(CycleRequest, fields)


def _checked(kind: type[Request], fields: dict[str, Any]) -> Request:
    """What is None is left to the settings."""
    try:
        return kind(**{name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        told = [f"{'.'.join(map(str, e['loc']))} {e['msg']}".strip() for e in error.errors()]
        raise BadRequest("; ".join(told)) from None
