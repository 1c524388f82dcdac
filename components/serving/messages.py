"""What the server is asked and what it answers, as JSON; the examples stand in /openapi.json."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from components.serving.split import Variant

LONGEST_ID = 256


def _plain(text: str) -> str:
    if any(ord(sign) < 0x20 or ord(sign) == 0x7F for sign in text):
        raise ValueError("an id holds no control characters")
    return text


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("a value is a finite number")
    return value


Id = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_ID),
    AfterValidator(_plain),
    Field(json_schema_extra={"pattern": r"^[^\x00-\x1f\x7f]*$"}),
]


_MOMENT = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}
Moment = Annotated[AwareDatetime, WithJsonSchema(_MOMENT)]  # a number is taken for epoch seconds


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecommendationRequest(_Message):
    """A list for a user who is online, or for a history of items; a given history is used in place of the user's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"user_id": "196", "k": 10},
                {"history": ["50", "181"], "times": [1743465600, 1743552000], "categories": ["Drama"]},
            ]
        }
    )

    user_id: Id | None = None
    history: list[Id] | None = Field(None, description="item ids, oldest first")
    times: list[int] | None = Field(
        None, description="epoch seconds, one an item of the history, oldest first"
    )
    k: int = Field(10, ge=1, description="places of the list")
    categories: list[Id] = Field([], max_length=100, description="only items of any of these")
    only_available: bool = Field(False, description="only items that are available now")
    available_at: Moment | None = Field(None, description="only items that are available by then")
    exclude: list[Id] = Field([], description="item ids that the list must not hold")
    exclude_seen: bool | None = Field(
        None, description="leave out items of the history; null: as the version was judged"
    )
    refuse_stale: bool = Field(False, description="409 rather than a list from stale features")
    variant: Variant | None = Field(
        None, description="this version's list, whatever the user was dealt; such lists are not logged"
    )


class ListedItem(_Message):
    rank: int
    item_id: str
    title: str
    score: float
    image: str | None = Field(None, description="path on this server")


class ModelFacts(_Message):
    """What made the list: enough to find the commit and the data again."""

    name: str
    version: str
    variant: Variant
    arm: str
    bundle: str = Field(description="SHA-256 of the bundle")
    feature_set: str = Field(description="digest of the feature set that it was trained on")
    trained_until: str


class FeatureFacts(_Message):
    """What the list was made from, and how old that is against the server's clock."""

    source: Literal["online", "request", "none"]
    feature_set: str | None = Field(description="digest of the feature set online; null: not known")
    as_of: str | None = Field(description="until when events are in it; null: not known")
    age_seconds: float | None
    stale: bool
    num_events: int


class Recommendations(_Message):
    request_id: str
    user_id: str | None
    items: list[ListedItem]
    model: ModelFacts
    features: FeatureFacts
    fallback: Literal["new_user", "no_known_item"] | None = Field(
        description="the list is that of an empty history. new_user: none is known or given; no_known_item: the "
        "version knows no item of it"
    )
    unknown_items: list[str] = Field(description="items of the given history that the version does not know")


class PostedEvent(_Message):
    """Something that a user did; the same event may be posted again, and changes nothing then."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "196",
                    "item_id": "50",
                    "timestamp": "2025-04-01T12:00:00Z",
                    "event_type": "view",
                }
            ]
        }
    )

    user_id: Id
    item_id: Id
    timestamp: Moment = Field(description="ISO 8601 with a zone, or epoch seconds")
    event_type: Id = "interaction"
    value: Annotated[float, AfterValidator(_finite)] | None = None
    event_id: Id | None = Field(None, description="null: made of user, item, type and time")


class TakenEvent(_Message):
    event_id: str
    is_new: bool = Field(description="false: it was here already")
    is_known_item: bool = Field(description="whether the champion knows the item")


class FoundItem(_Message):
    item_id: str
    title: str
    image: str | None = None


class FoundItems(_Message):
    items: list[FoundItem]


class Fault(_Message):
    code: str
    message: str


class Refusal(_Message):
    error: Fault
