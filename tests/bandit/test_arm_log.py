"""A log of lists out of a table, and its two parts in time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.bandit.arm_log import arm_log_from_rows, split_in_time
from components.evaluation.counterfactual.logged import LoggedFeedbackError


def table(**columns: Any) -> pd.DataFrame:
    plain = {
        "version": ["2", "10", "2", "3"], "reward": [0, 1, 0, 1], "propensity": [0.5, 0.25, 0.5, 0.25],
        "context_age": [1, 2, 3, 4], "user_id": ["b", "a", "b", "c"], "shown": [0, 10, 20, 30],
        "settled": [15, 25, 35, 45],
    }  # fmt: skip
    return pd.DataFrame({name: value for name, value in {**plain, **columns}.items() if value is not None})


def test_arms_are_those_asked_for_and_then_the_others_by_number():
    assert arm_log_from_rows(table()).arms == ("2", "3", "10")
    log = arm_log_from_rows(table(), ("10", "7"))
    assert log.arms == ("10", "7", "2", "3")
    assert log.arm.tolist() == [2, 0, 2, 3]
    assert log.cluster.tolist() == [0, 1, 0, 2]
    assert log.context_names == ("age",)
    assert arm_log_from_rows(table(user_id=None)).cluster.tolist() == [0, 1, 2, 3]


def test_what_was_not_known_yet_is_not_learned_from():
    """Half of four lists: the second part begins at 20, when the outcome of the second (25) was open."""
    first, later = split_in_time(arm_log_from_rows(table()), 0.5)
    assert first.context[:, 0].tolist() == [1]
    assert later.context[:, 0].tolist() == [3, 4]
    assert later.cluster.tolist() == [0, 2]  # the users' numbers stay
    assert later.under(np.full((2, 3), 1 / 3)).cluster.tolist() == [0, 1]
    without = split_in_time(arm_log_from_rows(table(settled=None)), 0.5)[0]
    assert without.context[:, 0].tolist() == [1, 2]


def test_a_part_without_a_list_is_refused():
    with pytest.raises(LoggedFeedbackError, match=r"0 are left to learn from and 2 to judge by"):
        split_in_time(arm_log_from_rows(table(settled=[99] * 4)), 0.5)
    with pytest.raises(LoggedFeedbackError, match=r"4 are left to learn from and 0 to judge by"):
        split_in_time(arm_log_from_rows(table(settled=None)), 0.95)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"context_age": [1, 2, None, 4]}, r"row 2: age is nan \(1 of 4 rows\)"),
        ({"propensity": [0.5, 0, 0.5, 0.25]}, "row 1: propensity 0.0 is not above 0"),
        ({"reward": [0, 1, None, 1]}, "row 2: reward nan is not finite"),
        ({"shown": [0, 10, 5, 30]}, "row 2: shown is earlier than in the row above"),
        ({"shown": [0, None, 20, 30]}, r"row 1: shown is nan \(1 of 4 rows\)"),
        ({"settled": [15, 25, None, 45]}, r"row 2: settled is nan \(1 of 4 rows\)"),
        (
            {"settled": [15, 25, 19, 45]},
            r"row 2: settled is 19, before the list was asked for \(shown, 20; 1 of 4",
        ),
        ({"shown": None}, "Write shown beside it"),
        ({"user_id": ["b", None, "b", "c"]}, "row 1: user_id is missing"),
        ({"context_age": None}, "no column begins with 'context_'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(columns: dict[str, Any], told: str):
    with pytest.raises(LoggedFeedbackError, match=told):
        arm_log_from_rows(table(**columns))
