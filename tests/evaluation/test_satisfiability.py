"""What a window can answer of what a profile asks."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from components.evaluation.gate import production, small
from components.evaluation.profile import Sequential
from components.evaluation.satisfiability import satisfiability_of

PROFILE = small()


@pytest.mark.parametrize("users", [291, 401])
def test_small_fits_movielens(users: int):
    assert satisfiability_of(PROFILE, users=users).satisfiable


def test_a_profile_that_asks_for_more_users_than_there_are_says_so():
    found = satisfiability_of(production(), users=401, sd=0.1)
    assert not found.satisfiable
    assert "401" in found.reason
    assert found.detectable_effect == pytest.approx(2.8016 * 0.1 / math.sqrt(401), rel=1e-4)


def test_a_coverage_that_lists_cannot_reach_is_told():
    """Three lists of ten hold at most 30 of 1,000 candidates: .03, and .05 is asked for."""
    found = satisfiability_of(PROFILE, users=300, candidates=1_000, requests=3)
    assert not found.satisfiable
    assert "out of reach: 3 lists hold at most 0.030 of 1000 candidates" in found.reason
    assert satisfiability_of(PROFILE, users=300, candidates=1_000, requests=5).satisfiable


def test_a_profile_that_is_blind_to_what_matters_says_so():
    """At sd .1 and 300 users .0162 is found with power .8 at alpha .05; .01 is of interest and needs 785."""
    blind, sharp = (satisfiability_of(PROFILE, users=users, sd=0.1) for users in (300, 800))
    assert (blind.satisfiable, blind.detects_interest) == (True, False)
    assert "would need 785 users" in blind.reason
    assert (sharp.detects_interest, sharp.reason) == (True, "")
    assert satisfiability_of(PROFILE, users=300).detects_interest is None  # the spread is not known yet


def test_what_is_left_of_alpha_decides_what_can_be_found():
    full, share = (
        satisfiability_of(PROFILE, users=300, sd=0.1, alpha_one_sided=alpha) for alpha in (None, 0.001)
    )
    assert full.detectable_effect < share.detectable_effect
    assert not satisfiability_of(PROFILE, users=300, alpha_one_sided=0.0).satisfiable


def test_a_sequential_test_that_never_looks_is_told():
    patient = replace(PROFILE, sequential=Sequential(enabled=True, n_min=500))
    found = satisfiability_of(patient, users=401)
    assert not found.satisfiable
    assert "looks first at 500 users" in found.reason
