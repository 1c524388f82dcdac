"""Profiles for logs: none that contradicts itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.evaluation.counterfactual.profile import LoggedProfile, production, small
from components.evaluation.gate import ProfileError


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("estimator", "dm", "dm cannot decide"),
        ("alpha_one_sided", 0.7, "lies between 0 and 0.5"),
        ("resamples", 100, "ask for 2000"),
        ("mean_weight", (1.2, 1.4), "does not hold 1"),
        ("folds", 1, "folds are at least 2"),
        ("min_clusters", 5, "below 30 no interval holds"),
    ],
)
def test_a_profile_that_contradicts_itself(field: str, value: object, told: str) -> None:
    with pytest.raises(ProfileError, match=told):
        LoggedProfile(name="odd", **{field: value})  # type: ignore[arg-type]


def test_profiles_have_their_own_hash() -> None:
    assert len({small().hash, production().hash, replace(small(), seed=8).hash}) == 3
