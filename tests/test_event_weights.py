"""A line of weights: what it says, in one way alone, and what is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.event_weights import event_weights_text, read_event_weights, told_types, weights_of


@pytest.mark.parametrize("text", ["", "none", " none ", "view=1", "view=1.0,cart=1"])
def test_all_alike_is_no_weights(text: str) -> None:
    assert read_event_weights(text) == {}
    assert event_weights_text(read_event_weights(text)) == ""


def test_what_means_the_same_is_the_same_line() -> None:
    told = {
        event_weights_text(read_event_weights(t)) for t in ("view=.2,buy=3", " buy = 3.0, view=0.20,cart=1")
    }
    assert told == {"buy=3,view=0.2"}


@given(st.dictionaries(st.sampled_from(["view", "a=b", "zu Ende"]), st.floats(0, 1e9), max_size=3))
def test_a_line_comes_back_to_the_bit(weights: dict[str, float]) -> None:
    assert read_event_weights(event_weights_text(weights)) == {n: w for n, w in weights.items() if w != 1}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("view", "'view' is no weight of an event type: write type=weight, such as view=0.2"),
        ("=2", "'=2' is no weight"),
        ("view=", "'view=' is no weight"),
        ("view=0.2,,cart=1", "'' is no weight"),
        ("none,view=0", "'none' is no weight"),
        ("view=-0.5", "view=-0.5 is no weight: write a number from 0 on"),
        ("view=nan", "view=nan is no weight"),
        ("view=inf", "view=inf is no weight"),
        ("view=much", "view=much is no weight"),
        ("view=0.2,view=0.3", "'view' has two weights, 0.2 and 0.3"),
    ],
)
def test_what_is_no_weight_is_refused_by_name(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_event_weights(text)


def test_an_event_weighs_what_its_type_does_and_1_where_nothing_is_said() -> None:
    types = np.array(["view", "buy", "cart", "view"], dtype=object)
    assert weights_of(types, {"view": 0.25, "buy": 0.0}).tolist() == [0.25, 0, 1, 0.25]
    assert weights_of(types[:0], {"view": 0.25}).tolist() == []


def test_types_are_told_by_count_with_their_weights_where_any_is_said() -> None:
    counts = {"buy": 40, "view": 1200}
    assert told_types(counts, {}) == "view 1,200, buy 40"
    assert told_types(counts, {"view": 0.2}) == "view 1,200 (weight 0.2), buy 40 (weight 1)"
