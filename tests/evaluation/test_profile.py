"""Profiles: none that contradicts itself, and what a window can answer."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from components.evaluation.gate import ProfileError, production, small
from components.evaluation.profile import Sequential

PROFILE = small()


def test_the_hash_follows_every_number():
    other = replace(PROFILE, primary=replace(PROFILE.primary, seed=8))
    assert small().hash == PROFILE.hash
    assert len({PROFILE.hash, other.hash, production().hash}) == 3


@pytest.mark.parametrize("users", [291, 401])
def test_small_fits_movielens(users: int):
    assert PROFILE.satisfiability(users=users).satisfiable


def test_a_profile_that_asks_for_more_users_than_there_are_says_so():
    found = production().satisfiability(users=401, sd=0.1)
    assert not found.satisfiable
    assert "401" in found.reason
    assert found.detectable_effect == pytest.approx(2.8016 * 0.1 / math.sqrt(401), rel=1e-4)


@pytest.mark.parametrize(
    "broken",
    [
        {"must_beat": ()},
        {"primary": replace(PROFILE.primary, alpha_one_sided=0.5)},
        {"primary": replace(PROFILE.primary, resamples=500)},
        {"primary": replace(PROFILE.primary, effect_of_interest=0.0)},
        {"validity": replace(PROFILE.validity, min_users=10)},
        {"required": (replace(PROFILE.required[0], margin=0.0),)},
        {"required": (replace(PROFILE.required[1], min_value=1.5),)},
        {"challengers_a_window": 0},
        {"sequential": Sequential(n_min=5)},
        {"sequential": Sequential(v_opt=0)},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_a_profile_that_contradicts_itself_is_refused(broken: dict):
    with pytest.raises(ProfileError, match="small"):
        replace(PROFILE, **broken)


def test_a_coverage_that_lists_cannot_reach_is_told():
    """Three lists of ten hold at most 30 of 1,000 candidates: .03, and .05 is asked for."""
    found = PROFILE.satisfiability(users=300, candidates=1_000, requests=3)
    assert not found.satisfiable
    assert "out of reach: 3 lists hold at most 0.030 of 1000 candidates" in found.reason
    assert PROFILE.satisfiability(users=300, candidates=1_000, requests=5).satisfiable


def test_a_profile_that_is_blind_to_what_matters_says_so():
    """At sd .1 and 300 users .0162 is found with power .8 at alpha .05; .01 is of interest and needs 785."""
    blind, sharp = (PROFILE.satisfiability(users=users, sd=0.1) for users in (300, 800))
    assert (blind.satisfiable, blind.detects_interest) == (True, False)
    assert "would need 785 users" in blind.reason
    assert (sharp.detects_interest, sharp.reason) == (True, "")
    assert PROFILE.satisfiability(users=300).detects_interest is None  # the spread is not known yet


def test_what_is_left_of_alpha_decides_what_can_be_found():
    full, share = (
        PROFILE.satisfiability(users=300, sd=0.1, alpha_one_sided=alpha) for alpha in (None, 0.001)
    )
    assert full.detectable_effect < share.detectable_effect
    assert not PROFILE.satisfiability(users=300, alpha_one_sided=0.0).satisfiable


def test_a_sequential_test_that_never_looks_is_told():
    patient = replace(PROFILE, sequential=Sequential(enabled=True, n_min=500))
    found = patient.satisfiability(users=401)
    assert not found.satisfiable
    assert "looks first at 500 users" in found.reason
