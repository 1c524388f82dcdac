"""Whole slates from a log of rounds: laid out by place, resampled by user, and part of the verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from components.evaluation.counterfactual.evaluation import LoggedResult, evaluate_logged
from components.evaluation.counterfactual.logged import feedback_from_rows
from components.evaluation.counterfactual.profile import small
from components.evaluation.counterfactual.slate_evaluation import evaluate_slates, lay_out
from components.evaluation.gate import Outcome

PROFILE = replace(small(), resamples=2_000)


def slate_log(slates: int, *, seed: int = 0) -> pd.DataFrame:
    """Two places, filled independently: the good item stands there half of the time, 80 % under the target
    policy; a click comes with .6 from the good item and .2 from the other, at the second place only if the
    first holds the good one. Rows lie second place first."""
    generator = np.random.default_rng(seed)
    good = generator.random((slates, 2)) < 0.5
    chance = np.where(good, 0.6, 0.2)
    chance[:, 1] *= good[:, 0]
    click = generator.random((slates, 2)) < chance
    return pd.DataFrame(
        {
            "round_id": np.repeat(np.arange(slates), 2),
            "user_id": np.repeat(np.arange(slates) // 2, 2),
            "position": np.tile([1, 0], slates),
            "item_id": np.where(good, "good", "other")[:, ::-1].ravel(),
            "reward": click[:, ::-1].ravel().astype(float),
            "propensity": 0.5,
            "target_propensity": np.where(good, 0.8, 0.2)[:, ::-1].ravel(),
        }
    )


@pytest.fixture(scope="module")
def result() -> LoggedResult:
    return evaluate_logged(feedback_from_rows(slate_log(20_000)), PROFILE)


def test_worked_example() -> None:
    """Weights 2 and .5 down the first slate, 3 on the second, which has one place.

    SIPS: (2·.5)(1 + 4) = 5 and 3·2 = 6, mean 5.5. IIPS: 2·1 + .5·4 = 4 and 6, mean 5. RIPS: 2 + 4 and 6, mean 6.
    Pseudo-inverse: (2.5 - 1)·5 = 7.5 and (3 + 1 - 1)·2 = 6, mean 6.75. SNSIPS: 11 / (1 + 3) = 2.75.
    """
    log = feedback_from_rows(
        pd.DataFrame(
            {
                "round_id": ["b", "a", "a"],
                "position": [0, 1, 0],
                "item_id": ["x", "y", "x"],
                "reward": [2.0, 4.0, 1.0],
                "propensity": [0.25, 1.0, 0.25],
                "target_propensity": [0.75, 0.5, 0.5],
            }
        )
    )
    assert log.slate is not None
    assert lay_out(log, log.slate).reward.tolist() == [[2, 0], [1, 4]]
    found = evaluate_slates(log, PROFILE)
    assert found is not None
    values = {name: e.value for name, e in found.items()}
    assert values == pytest.approx(
        {"sips": 5.5, "iips": 5.0, "rips": 6.0, "pseudo_inverse": 6.75, "snsips": 2.75}
    )


def test_estimators_find_what_their_assumption_allows(result: LoggedResult) -> None:
    """The truth: .8·.6 + .2·.2 = .52 at the first place, .8·.52 = .416 at the second.

    IIPS thinks that the first place stays as it was logged: .5·.52 = .26 at the second.
    """
    assert result.slates is not None
    found = {e.name: e for e in result.slates}
    for name in ("sips", "rips", "snsips"):
        assert found[name].lower < 0.936 < found[name].upper, name
    assert found["iips"].lower < 0.78 < found["iips"].upper
    assert found["iips"].upper < 0.936
    assert found["rips"].upper - found["rips"].lower < found["sips"].upper - found["sips"].lower


def test_the_slates_stand_in_verdict_and_table(result: LoggedResult) -> None:
    assert result.verdict.outcome is Outcome.PROMOTE
    assert any("rips" in check.reason for check in result.verdict.checks if check.name == "agreement")
    assert result.table()["of"].value_counts().to_dict() == {"round": 10, "slate": 5}
    assert result.support.clusters == 10_000


def test_a_log_without_slates_has_no_slate_estimates() -> None:
    rows = slate_log(500).drop(columns="round_id")
    assert evaluate_logged(feedback_from_rows(rows), PROFILE).slates is None
