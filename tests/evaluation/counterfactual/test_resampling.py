"""Intervals: whole estimators recomputed on clusters, and as wide as they promise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from components.evaluation.counterfactual import estimators
from components.evaluation.counterfactual.estimators import Terms
from components.evaluation.counterfactual.resampling import bounds, resample
from components.evaluation.counterfactual.reward_model import fit_reward_model
from tests.evaluation.counterfactual.worlds import draw_log, make_world


def test_snips_of_one_reward_has_no_spread() -> None:
    """Normalisation is recomputed: rounds already normalised would spread although every reward is 3."""
    weight = np.random.default_rng(1).exponential(size=500)
    drawn = resample(
        {"snips": estimators.snips(np.full(500, 3.0), weight)}, np.arange(500), resamples=500, seed=1
    )
    np.testing.assert_allclose(drawn["snips"], 3.0, atol=1e-5)


def test_copies_of_a_round_in_its_cluster_tell_nothing_new() -> None:
    generator = np.random.default_rng(3)
    reward, weight = generator.random(400), generator.exponential(size=400)
    once = resample({"a": estimators.snips(reward, weight)}, np.arange(400), resamples=400, seed=2)["a"]
    tenfold = resample(
        {"a": estimators.snips(np.repeat(reward, 10), np.repeat(weight, 10))},
        np.repeat(np.arange(400), 10), resamples=400, seed=2,
    )["a"]  # fmt: skip
    np.testing.assert_allclose(tenfold, once, atol=1e-5)


def test_a_heavy_round_does_not_shift_the_others() -> None:
    """A weight of 20,000 sets the step to .005, above the mean of all others: they would all round one way."""
    column = np.where(np.arange(200_000) % 250 == 0, 1.0, 0.0)
    column[1] = 20_000.0
    drawn = resample({"mean": Terms(plain=column)}, np.arange(200_000), resamples=400, seed=0)["mean"]
    without = drawn[np.isclose(drawn, 0.004, atol=0.002)]  # resamples that leave the heavy round out
    assert len(without) > 100
    assert without.mean() == pytest.approx(0.004, abs=4 * 0.004**0.5 / (200_000 * len(without)) ** 0.5)


def test_clusters_of_unlike_sizes_count_their_rounds() -> None:
    """Rewards 1 in a cluster of one, 0 in a cluster of three: the mean is 1/4, and 0, 1/4 or 1 when drawn again."""
    drawn = resample(
        {"mean": Terms(plain=np.array([1.0, 0, 0, 0]))}, np.array([0, 1, 1, 1]), resamples=200, seed=0
    )
    assert {round(float(v), 5) for v in drawn["mean"]} == {0.0, 0.25, 1.0}


def test_an_interval_over_resamples_without_any_weight_is_undefined() -> None:
    weight = np.zeros(50)
    weight[:2] = 1.0
    drawn = resample({"a": estimators.snips(np.ones(50), weight)}, np.arange(50), resamples=500, seed=0)["a"]
    assert 0.05 < np.isnan(drawn).mean() < 0.3  # (1 - 2/50)^50 = .13
    assert np.isnan(bounds(drawn, alpha_one_sided=0.025)).all()


def test_every_interval_covers_the_truth_as_often_as_it_says() -> None:
    """300 logs of 800 rounds: 95 % intervals, the lower binomial bound at one in a thousand.

    The reward model is right here (context does not matter), so DM is consistent; its interval must count
    that the model was fitted: without that it covers about one time in ten.
    """
    world, generator, logs = make_world(lift=1.0, context_matters=False), np.random.default_rng(8), 300
    covered = dict.fromkeys(("ips", "snips", "dm", "dr", "sndr", "dm, model taken as known"), 0)
    for n in range(logs):
        log = draw_log(world, 800, generator)
        model = fit_reward_model(log, log.policy, folds=3, smoothing=1.0)
        known = estimators.dm(model.value)
        dr = estimators.dr(log.reward, log.weight, model.q, model.value)
        sndr = estimators.sndr(log.reward, log.weight, model.q, model.value)
        terms = {
            "ips": estimators.ips(log.reward, log.weight),
            "snips": estimators.snips(log.reward, log.weight),
            "dm": replace(known, model_error=model.error(np.zeros(800))),
            "dr": replace(dr, model_error=model.error(log.weight)),
            "sndr": replace(sndr, model_error=model.error(log.weight / log.weight.mean())),
            "dm, model taken as known": known,
        }
        for name, drawn in resample(terms, log.cluster, resamples=800, seed=n).items():
            lower, upper = bounds(drawn, alpha_one_sided=0.025)
            covered[name] += lower <= world.value <= upper
    least = stats.binom.ppf(0.001, logs, 0.95)
    assert covered.pop("dm, model taken as known") < logs / 2
    assert {name: count for name, count in covered.items() if count < least} == {}
