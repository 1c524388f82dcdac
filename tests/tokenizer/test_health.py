"""Health figures as arithmetic, and the gate on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.tokenizer.agreement import Agreement
from components.tokenizer.config import TokenizerConfig, quick
from components.tokenizer.fit import fit_tokenizer
from components.tokenizer.health import (
    CodebookCollapsed,
    CodesMeaningless,
    Health,
    HealthLimits,
    check_health,
    collision_groups,
    usage_and_perplexity,
)
from tests.tokenizer.planted import planted_catalogue

TELLING = Agreement(found=0.2, permuted=0.1, z=9.0, num_items=900)
SILENT = Agreement(found=0.1, permuted=0.1, z=0.3, num_items=900)
HEALTHY = Health(
    num_items=100,
    usage=(1.0, 1.0),
    perplexity=(0.9, 0.9),
    collisions=0.0,
    largest_collision=1,
    moved=0.0,
    reconstruction_error=0.3,
    collisions_unspread=0.05,
    co_interaction=(TELLING, TELLING),
)


def test_perplexity_of_two_even_codes_out_of_four():
    """Two of four codes, half the items each: usage 2/4, exp(ln 2)/4 = .5."""
    assert usage_and_perplexity(np.array([0, 0, 3, 3]), 4) == pytest.approx((0.5, 0.5))


def test_perplexity_of_three_to_one():
    """exp(-(.75 ln .75 + .25 ln .25)) = 1.7548; over 2 codes .8774."""
    assert usage_and_perplexity(np.array([1, 1, 1, 0]), 2) == pytest.approx((1.0, 0.8774), abs=1e-4)


def test_collision_groups_count_the_item_itself():
    assert collision_groups(np.array([[0, 1], [2, 2], [0, 1], [0, 1]])).tolist() == [3, 1, 3, 3]


def test_the_gate_names_the_level_that_collapsed():
    check_health(HEALTHY, HealthLimits())
    with pytest.raises(CodebookCollapsed, match=r"level 2 of 2: 10% of its codes .* Look for a modality"):
        check_health(replace(HEALTHY, usage=(1.0, 0.1)), HealthLimits())
    with pytest.raises(CodebookCollapsed, match=r"level 1 of 2: .* perplexity 0\.05"):
        check_health(replace(HEALTHY, perplexity=(0.05, 0.9)), HealthLimits())


def test_the_gate_names_collisions():
    with pytest.raises(CodebookCollapsed, match="30% of 100 items share all codes"):
        check_health(replace(HEALTHY, collisions=0.3, largest_collision=4), HealthLimits())


def test_the_gate_names_what_is_not_explained_and_takes_no_nan_for_a_figure():
    blurred = replace(HEALTHY, reconstruction_error=1.6)
    with pytest.raises(CodebookCollapsed, match=r"leave 160% of the variance .* Look for a few items"):
        check_health(replace(blurred, num_items=200), HealthLimits())
    check_health(blurred, HealthLimits())  # 100 items are too few to tell
    with pytest.raises(CodebookCollapsed, match="unexplained"):
        check_health(replace(HEALTHY, reconstruction_error=float("nan")), HealthLimits())
    with pytest.raises(CodebookCollapsed, match="level 1 of 2"):
        check_health(replace(HEALTHY, perplexity=(float("nan"), 0.9)), HealthLimits())


def test_balanced_codes_that_mean_nothing_are_stopped():
    """One telling agreement is enough; few items prove nothing; without any to measure there is no verdict."""
    silent = replace(HEALTHY, co_interaction=(SILENT, TELLING))
    with pytest.raises(
        CodesMeaningless,
        match=r"co-interaction 0\.100 against 0\.100 permuted \(z 0\.3\); .* beside the wrong item id",
    ):
        check_health(silent, HealthLimits())
    with pytest.raises(CodesMeaningless, match=r"co-interaction .*, category 0\.100"):
        check_health(replace(silent, category=(SILENT,)), HealthLimits())
    check_health(replace(silent, category=(TELLING,)), HealthLimits())
    check_health(replace(silent, co_interaction=(replace(SILENT, num_items=50),)), HealthLimits())
    check_health(replace(silent, co_interaction=()), HealthLimits())


@pytest.mark.wrong_shapes
def test_rows_in_another_order_than_the_graph_are_stopped():
    """Vectors of nothing and users who pick at random: codes are even, and say nothing."""
    rng = np.random.default_rng(0)
    vectors = {"noise": rng.normal(size=(300, 6)).astype(np.float32)}
    edges = np.stack([rng.integers(100, size=1_500), rng.integers(300, size=1_500)])
    config = replace(quick(), content_weight=50.0, graph=replace(quick().graph, steps=1))
    health = fit_tokenizer(
        vectors, {"noise": np.ones(300, dtype=bool)}, edges, 100, config, categories=[["all"]] * 300
    ).health
    assert min(health.usage) > 0.9
    with pytest.raises(CodesMeaningless, match="does not mean similar items"):
        check_health(health, HealthLimits())


def test_the_summary_tells_collisions_both_ways_and_what_a_first_code_means():
    health = replace(HEALTHY, collisions=0.01, moved=0.04, category=(replace(TELLING, found=0.15), SILENT))
    assert health.summary() == (
        "100% of codes used, perplexity 0.90, 1.0% in collision (5.0% before 4.0% were moved), "
        "shared users x2.0 within a first code, shared categories x1.5 within a first code"
    )


def test_metrics_are_flat_and_finite():
    flat = replace(HEALTHY, category=(TELLING, SILENT)).metrics()
    assert {
        "usage_2", "perplexity_1", "collisions", "collisions_unspread", "moved", "reconstruction_error",
        "co_interaction_1", "co_interaction_2_permuted", "category_2_z",
    } <= flat.keys()  # fmt: skip
    assert np.isfinite(list(flat.values())).all()


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
