"""Profiles: none that contradicts itself, each with a hash of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.evaluation.gate import ProfileError, production, sequential, small
from components.evaluation.profile import Sequential

PROFILE = small()


def test_the_hash_follows_every_number():
    other = replace(PROFILE, primary=replace(PROFILE.primary, seed=8))
    assert small().hash == PROFILE.hash
    assert len({PROFILE.hash, other.hash, production().hash, sequential().hash}) == 4


def test_the_sequential_profile_is_small_with_bounds_for_every_look():
    found = sequential()
    assert (found.sequential.enabled, found.sequential.n_min, PROFILE.sequential.enabled) == (
        True,
        500,
        False,
    )
    assert replace(found, name="small", sequential=PROFILE.sequential) == PROFILE


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
