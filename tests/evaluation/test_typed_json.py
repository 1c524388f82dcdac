"""Dataclasses as JSON and back: nothing lost, and nothing let through that is of another type."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.typed_json import LEFT_OUT_AT_DEFAULT, MismatchedJson, from_json, to_json


class Side(StrEnum):
    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, kw_only=True)
class Margin:
    metric: str
    margin: float


@dataclass(frozen=True, kw_only=True)
class Least:
    metric: str
    least: float

    def __post_init__(self) -> None:
        if self.least < 0:
            raise ValueError("least is below 0")


@dataclass(frozen=True, kw_only=True)
class Whole:
    side: Side
    mode: Literal["rolling", "batch"]
    at: datetime
    figures: Mapping[str, float]
    pair: tuple[int, int]
    rules: tuple[Margin | Least, ...]
    note: str | None
    limit: float | None


def whole(**more: Any) -> Whole:
    given_ = {
        "side": Side.LEFT, "mode": "batch", "at": datetime(2024, 1, 2, 3, tzinfo=UTC), "figures": {"a": 0.5},
        "pair": (1, 2), "rules": (Margin(metric="m", margin=500), Least(metric="n", least=0.1)), "note": None,
        "limit": None,
    }  # fmt: skip
    return Whole(**(given_ | more))


def there_and_back(value: Any) -> Any:
    return from_json(type(value), json.loads(json.dumps(to_json(value), allow_nan=False)))


def test_every_kind_comes_back_as_it_went():
    assert there_and_back(whole()) == whole()


@given(st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)))
def test_finite_figures_come_back_to_the_bit(figures: dict[str, float]):
    assert there_and_back(whole(figures=figures)).figures == figures


def test_what_is_not_finite_is_null_there_and_nan_here():
    told = to_json(whole(figures={"a": math.nan, "b": math.inf}))
    assert told["figures"] == {"a": None, "b": None}
    assert all(math.isnan(value) for value in from_json(Whole, told).figures.values())
    assert from_json(Whole, told).limit is None  # but an optional figure that is None stays None


def test_a_whole_number_keeps_its_form():
    """500 read as 500.0 would be written as other bytes."""
    (margin, _) = there_and_back(whole()).rules
    assert json.dumps(margin.margin) == "500"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mode": "all"}, ".mode: 'all' is not one of"),
        ({"side": "up"}, ".side: 'up' is no Side"),
        ({"at": "yesterday"}, ".at: 'yesterday' is no datetime"),
        ({"at": None}, ".at: None is no datetime"),
        ({"figures": {"a": "0.5"}}, ".figures.a: '0.5' is not a number"),
        ({"figures": {"a": True}}, ".figures.a: 'True' is not a number"),
        ({"figures": [1.0]}, ".figures: .* is not an object"),
        ({"pair": [1]}, ".pair: .* is not a list of 2"),
        ({"pair": [1, 2.0]}, r".pair\[1\]: '2.0' is not int"),
        ({"rules": [{"metric": "m"}]}, r".rules\[0\]: Least has other fields; least differ"),
        ({"rules": [{"metric": "m", "least": -1.0}]}, r".rules\[0\]: least is below 0"),
        ({"rules": None}, ".rules: 'None' is not a list"),
        ({"note": 3}, ".note: '3' is not str"),
        ({"more": 1}, "Whole has other fields; more differ"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_of_another_type_names_its_place(change: dict[str, Any], told: str):
    with pytest.raises(MismatchedJson, match=told):
        from_json(Whole, to_json(whole()) | change)


@dataclass(frozen=True, kw_only=True)
class Grown:
    first: int
    later: str = field(default="", metadata=LEFT_OUT_AT_DEFAULT)


def test_a_field_that_came_later_is_left_out_at_its_default_and_may_lack():
    assert to_json(Grown(first=1)) == {"first": 1}
    assert from_json(Grown, {"first": 1}) == Grown(first=1)
    assert there_and_back(Grown(first=1, later="told")) == Grown(first=1, later="told")
    with pytest.raises(MismatchedJson, match="first differ"):
        from_json(Grown, {"later": "told"})
