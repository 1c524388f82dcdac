"""Bad logs are refused, and the message names the row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.evaluation.counterfactual.logged import (
    LoggedFeedback,
    LoggedFeedbackError,
    TargetPolicy,
    feedback_from_rows,
)


def rows(**columns: list[Any]) -> pd.DataFrame:
    good = {
        "item_id": ["b", "a", "c"],
        "reward": [0.0, 1.0, 0.5],
        "propensity": [0.5, 0.25, 1.0],
        "target_propensity": [0.25, 0.5, 0.0],
    }
    return pd.DataFrame({**good, **columns})


def policy(**columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"item_id": ["a", "b", "c"], "probability": [0.5, 0.25, 0.25], **columns})


def test_a_good_table() -> None:
    log = feedback_from_rows(rows())
    assert list(log.actions) == ["a", "b", "c"]
    assert log.action.tolist() == [1, 0, 2]
    assert log.weight.tolist() == [0.5, 2.0, 0.0]
    assert log.cluster.tolist() == [0, 1, 2]
    assert log.position.tolist() == [0, 0, 0]


def test_users_then_slates_are_clusters() -> None:
    assert feedback_from_rows(rows(user_id=["x", "y", "x"])).cluster.tolist() == [0, 1, 0]
    slates = feedback_from_rows(rows(round_id=[7, 7, 9], position=[0, 1, 0]))
    assert slates.cluster.tolist() == [0, 0, 1]
    assert slates.slate is not None
    assert slates.slate.tolist() == [0, 0, 1]
    both = rows(user_id=["x", "x", "x"], round_id=[1, 2, 3])
    assert feedback_from_rows(both).cluster.tolist() == [0, 0, 0]
    assert feedback_from_rows(both).slate is None


def test_a_policy_by_position() -> None:
    table = pd.DataFrame(
        {"item_id": [1, 2, 1, 2], "position": [0, 0, 1, 1], "probability": [0.9, 0.1, 0.3, 0.7]}
    )
    log = feedback_from_rows(
        rows(item_id=[1, 2, 2], position=[0, 1, 0], target_propensity=[0.9, 0.7, 0.1]), table
    )
    assert log.policy is not None
    assert log.policy.row.tolist() == [0, 1, 0]
    assert log.policy.probabilities.tolist() == [[0.9, 0.1], [0.3, 0.7]]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"propensity": [0.5, 0.0, 1.0]}, r"row 1: propensity 0\.0 is not above 0"),
        ({"propensity": [0.5, 0.25, 1.5]}, r"row 2: propensity 1\.5 is not above 0 and at most 1"),
        ({"propensity": [math.nan, 0.25, 1.0]}, r"row 0: propensity nan"),
        ({"propensity": [0.5, -0.1, 1.0]}, r"row 1: propensity -0\.1"),
        ({"target_propensity": [0.25, 0.5, 1.2]}, r"row 2: target propensity 1\.2"),
        ({"target_propensity": [0.25, math.nan, 0.0]}, r"row 1: target propensity nan"),
        ({"reward": [0.0, math.inf, 0.5]}, r"row 1: reward inf is not finite"),
        ({"reward": [0.0, 1.0, math.nan]}, r"row 2: reward nan is not finite"),
        ({"position": [0, -1, 0]}, r"row 1: position -1 is negative"),
        ({"position": [0, 0.5, 0]}, r"row 1: position 0\.5 is no whole number"),
        ({"user_id": ["x", None, "y"]}, r"row 1: user_id is missing"),
        ({"user_id": ["x", "x", "y"], "round_id": [1, 1, None]}, r"row 2: round_id is missing"),
        ({"round_id": [7, 7, 9]}, r"row 1: position 0 stands twice in its slate"),
        (
            {"round_id": [7, 7, 9], "position": [0, 1, 0], "user_id": ["x", "y", "y"]},
            r"row 1: cluster 1 is not that of its slate",
        ),
    ],
)
def test_bad_rows(columns: dict[str, list[Any]], told: str) -> None:
    with pytest.raises(LoggedFeedbackError, match=told):
        feedback_from_rows(rows(**columns))


def test_no_rounds() -> None:
    with pytest.raises(LoggedFeedbackError, match="no round"):
        feedback_from_rows(rows().iloc[:0])


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (
            {"probability": [0.5, 0.25, 0.2]},
            r"distribution 0: the probabilities of its 3 actions sum to 0\.95, not 1",
        ),
        ({"probability": [0.5, 0.75, -0.25]}, r"row 2: item c has the probability -0\.25"),
        ({"probability": [0.5, math.nan, 0.25]}, r"row 1: item b has the probability nan"),
        ({"item_id": ["a", "b", "d"]}, r"row 2: item c is unknown to the target policy"),
        ({"item_id": ["a", "b", "b"]}, r"unknown to the target policy|stands twice"),
        ({"probability": [0.4, 0.35, 0.25]}, r"row 0: target propensity 0\.25, but .* says 0\.35"),
    ],
)
def test_bad_policies(columns: dict[str, list[Any]], told: str) -> None:
    log = rows(target_propensity=[0.25, 0.5, 0.25])
    assert feedback_from_rows(log, policy()).policy is not None
    with pytest.raises(LoggedFeedbackError, match=told):
        feedback_from_rows(log, policy(**columns))


def test_an_item_twice_in_a_policy() -> None:
    table = pd.DataFrame({"item_id": ["a", "b", "c", "b"], "probability": [0.5, 0.25, 0.25, 0.0]})
    with pytest.raises(LoggedFeedbackError, match="row 3: item b at position 0 stands twice"):
        feedback_from_rows(rows(target_propensity=[0.25, 0.5, 0.25]), table)


@pytest.mark.wrong_shapes
def test_arrays_are_checked_too() -> None:
    good: dict[str, Any] = {
        "action": np.array([0, 1]),
        "position": np.zeros(2, dtype=int),
        "reward": np.zeros(2),
        "propensity": np.full(2, 0.5),
        "target": np.full(2, 0.5),
        "cluster": np.arange(2),
        "actions": np.arange(2),
    }
    assert len(LoggedFeedback(**good)) == 2
    with pytest.raises(LoggedFeedbackError, match="row 1: action 5 is unknown"):
        LoggedFeedback(**{**good, "action": np.array([0, 5])})
    with pytest.raises(LoggedFeedbackError, match="column reward has 3 rows and action 2"):
        LoggedFeedback(**{**good, "reward": np.zeros(3)})
    with pytest.raises(LoggedFeedbackError, match="of 3 actions and 2 rounds"):
        LoggedFeedback(
            **good, policy=TargetPolicy(probabilities=np.full((1, 3), 1 / 3), row=np.zeros(2, int))
        )
    with pytest.raises(LoggedFeedbackError, match="row 1: it asks for row 4 of a target policy of 1"):
        TargetPolicy(probabilities=np.full((1, 2), 0.5), row=np.array([0, 4]))


def test_a_printed_table_is_made_whole() -> None:
    """.3334 + .3333 + .33325 is a rounding from 1: an expectation divides by it; the weights are as printed."""
    printed = TargetPolicy(probabilities=np.array([[0.3334, 0.3333, 0.33325]]), row=np.zeros(2, dtype=int))
    assert printed.normalised.sum() == pytest.approx(1, abs=1e-15)
    assert printed.probabilities[0, 0] == 0.3334
