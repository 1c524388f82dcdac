"""Health figures as arithmetic, and the gate on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.tokenizer.config import TokenizerConfig, quick
from components.tokenizer.fit import fit_tokenizer
from components.tokenizer.health import (
    CodebookCollapsed,
    Health,
    HealthLimits,
    check_health,
    co_interaction_agreement,
    collision_groups,
    usage_and_perplexity,
)
from tests.tokenizer.planted import planted_catalogue

HEALTHY = Health(
    num_items=100,
    usage=(1.0, 1.0),
    perplexity=(0.9, 0.9),
    collisions=0.0,
    largest_collision=1,
    moved=0.0,
    reconstruction_error=0.3,
    co_interaction=0.2,
    co_interaction_permuted=0.1,
    co_interaction_z=9.0,
)


def test_perplexity_of_two_even_codes_out_of_four():
    """Two of four codes, half the items each: usage 2/4, exp(ln 2)/4 = .5."""
    assert usage_and_perplexity(np.array([0, 0, 3, 3]), 4) == pytest.approx((0.5, 0.5))


def test_perplexity_of_three_to_one():
    """exp(-(.75 ln .75 + .25 ln .25)) = 1.7548; over 2 codes .8774."""
    assert usage_and_perplexity(np.array([1, 1, 1, 0]), 2) == pytest.approx((1.0, 0.8774), abs=1e-4)


def test_collision_groups_count_the_item_itself():
    assert collision_groups(np.array([[0, 1], [2, 2], [0, 1], [0, 1]])).tolist() == [3, 1, 3, 3]


def test_agreement_is_whole_when_users_stay_inside_one_code():
    """Two users, two items each, one code a user. Dealt at random a pair agrees in 1 of 3 cases."""
    edges = np.array([[0, 0, 1, 1], [0, 1, 2, 3]])
    found, permuted, z = co_interaction_agreement(
        np.array([7, 7, 8, 8]), edges, seed=0, num_pairs=400, num_permutations=600
    )
    assert found == 1.0
    assert permuted == pytest.approx(1 / 3, abs=0.06)
    assert z > 0


def test_agreement_never_pairs_an_item_with_itself():
    """One user with two items of different codes: no pair agrees."""
    found, _, _ = co_interaction_agreement(np.array([0, 1]), np.array([[0, 0], [0, 1]]), seed=0)
    assert found == 0.0


def test_agreement_without_a_pair_is_zero():
    assert co_interaction_agreement(np.array([0, 1]), np.array([[0, 1], [0, 1]]), seed=0) == (0.0, 0.0, 0.0)


def test_the_gate_names_the_level_that_collapsed():
    check_health(HEALTHY, HealthLimits())
    with pytest.raises(
        CodebookCollapsed, match=r"level 2 of 2: 10% of its codes .* Try a smaller codebook_size"
    ):
        check_health(replace(HEALTHY, usage=(1.0, 0.1)), HealthLimits())
    with pytest.raises(CodebookCollapsed, match=r"level 1 of 2: .* perplexity 0\.05"):
        check_health(replace(HEALTHY, perplexity=(0.05, 0.9)), HealthLimits())


def test_the_gate_names_collisions():
    with pytest.raises(CodebookCollapsed, match="30% of 100 items share all codes"):
        check_health(replace(HEALTHY, collisions=0.3, largest_collision=4), HealthLimits())


def test_published_start_without_cures_collapses_and_is_stopped():
    """Codes that start in a corner and are never revived: most of the first level is never chosen."""
    catalogue = planted_catalogue()
    uncured = replace(
        quick(), codebook_size=64, latent_dim=4, kmeans_start=False, revive_dead=False, balance=0.0
    )
    fitted = fit_tokenizer(*catalogue.inputs, uncured)
    assert fitted.health.usage[0] < 0.5
    with pytest.raises(CodebookCollapsed, match="level 1 of 3"):
        check_health(fitted.health, HealthLimits())
    cured = replace(uncured, kmeans_start=True, revive_dead=True, balance=TokenizerConfig().balance)
    check_health(fit_tokenizer(*catalogue.inputs, cured).health, HealthLimits())
