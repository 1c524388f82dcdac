"""Estimators of a policy's value: arithmetic by hand, identities, and worlds whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.counterfactual import estimators
from tests.evaluation.counterfactual.worlds import World, draw_log, make_world

R, W = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.5, 2.0, 4.0, 1.5])
Q, V = np.array([0.5, 0.5, 0.25, 0.0]), np.array([0.4, 0.2, 0.6, 0.4])
rows = st.lists(
    st.tuples(st.floats(-5, 5), st.floats(0.01, 20), st.floats(-2, 2), st.floats(-2, 2)), min_size=1, max_size=30
)  # fmt: skip


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (estimators.ips(R, W), (0.5 + 4) / 4),
        (estimators.snips(R, W), 4.5 / 8),
        (estimators.dm(V), 1.6 / 4),
        # corrections w (r - q): .25, -1, 3, 0
        (estimators.dr(R, W, Q, V), (1.6 + 2.25) / 4),
        (estimators.sndr(R, W, Q, V), 1.6 / 4 + 2.25 / 8),
        (estimators.clipped_ips(R, W, 2.0), (0.5 + 2) / 4),
        # corrections with w at most 2: .25, -1, 1.5, 0
        (estimators.clipped_dr(R, W, Q, V, 2.0), (1.6 + 0.75) / 4),
        # w = 4 is switched off: .25, -1, 0, 0
        (estimators.switch_dr(R, W, Q, V, 2.0), (1.6 - 0.75) / 4),
        # 2w / (w² + 2): 1/2.25, 4/6, 8/18 -> corrections 1/4.5, -1/3, 1/3, 0
        (estimators.dros(R, W, Q, V, 2.0), (1.6 + 1 / 4.5) / 4),
        (estimators.replay(R, np.array([True, True, False, False])), 0.5),
    ],
)
def test_worked_examples(terms: estimators.Terms, expected: float) -> None:
    """Rewards 1 0 1 0, weights .5 2 4 1.5, predictions of the logged action .5 .5 .25 0, of pi_e .4 .2 .6 .4."""
    assert terms.value == pytest.approx(expected, abs=1e-12)


def test_nothing_matched_is_undefined_and_not_zero() -> None:
    assert math.isnan(estimators.replay(R, np.zeros(4, dtype=bool)).value)
    assert math.isnan(estimators.snips(R, np.zeros(4)).value)
    assert estimators.ips(R, np.zeros(4)).value == 0


@given(rows)
def test_identities(drawn: list[tuple[float, float, float, float]]) -> None:
    reward, weight, q, value = np.array(drawn).T
    nothing = np.zeros(len(reward))
    top = float(weight.max())
    snips = estimators.snips(reward, weight).value
    dr = estimators.dr(reward, weight, q, value).value
    assert reward.min() - 1e-9 <= snips <= reward.max() + 1e-9
    assert estimators.snips(reward + 3, weight).value == pytest.approx(snips + 3)
    assert estimators.dr(reward, weight, nothing, nothing).value == pytest.approx(
        estimators.ips(reward, weight).value
    )
    assert estimators.sndr(reward, weight, nothing, nothing).value == pytest.approx(snips)
    assert estimators.switch_dr(reward, weight, q, value, top).value == pytest.approx(dr)
    assert estimators.clipped_dr(reward, weight, q, value, top).value == pytest.approx(dr)
    assert estimators.switch_dr(reward, weight, q, value, 0.0).value == pytest.approx(value.mean())
    assert estimators.dros(reward, weight, q, value, 1e12).value == pytest.approx(dr, abs=1e-6)


def means_over_logs(
    world: World, estimate: Callable[..., estimators.Terms], logs: int = 400
) -> tuple[float, float]:
    """Mean and standard error of an estimator over logs of 200 rounds; called with log, q, v of the truth."""
    generator, found = np.random.default_rng(5), []
    for _ in range(logs):
        log = draw_log(world, 200, generator)
        kind = log.policy.row
        q = world.mean_reward[kind, log.action]
        value = (world.target * world.mean_reward).sum(axis=1)[kind]
        found.append(estimate(log, q, value).value)
    return float(np.mean(found)), float(np.std(found) / math.sqrt(logs))


def wrong_q(log, q, value):  # type: ignore[no-untyped-def]
    return np.full_like(q, 0.9), np.full_like(value, 0.9)


RIGHT = {
    "ips": lambda log, q, v: estimators.ips(log.reward, log.weight),
    "dr, q and v right": lambda log, q, v: estimators.dr(log.reward, log.weight, q, v),
    "dr, q wrong": lambda log, q, v: estimators.dr(log.reward, log.weight, *wrong_q(log, q, v)),
    "dr, p wrong": lambda log, q, v: estimators.dr(log.reward, np.sqrt(log.weight), q, v),
    "dm": lambda log, q, v: estimators.dm(v),
}
WRONG = {
    "ips, p wrong": lambda log, q, v: estimators.ips(log.reward, np.sqrt(log.weight)),
    "dm, q wrong": lambda log, q, v: estimators.dm(wrong_q(log, q, v)[1]),
    "dr, both wrong": lambda log, q, v: estimators.dr(log.reward, np.sqrt(log.weight), *wrong_q(log, q, v)),
    "clipped": lambda log, q, v: estimators.clipped_ips(log.reward, log.weight, 1.0),
}


@pytest.mark.parametrize("name", RIGHT)
def test_unbiased_where_one_ingredient_is_right(name: str) -> None:
    world = make_world(lift=1.0)
    mean, se = means_over_logs(world, RIGHT[name])
    assert abs(mean - world.value) < 4 * se


@pytest.mark.parametrize("name", WRONG)
def test_biased_where_it_should_be(name: str) -> None:
    """So that the test above could have failed."""
    world = make_world(lift=1.0)
    mean, se = means_over_logs(world, WRONG[name])
    assert abs(mean - world.value) > 5 * se


def test_replay_is_right_on_uniform_logs() -> None:
    uniform = np.full((3, 4), 0.25)
    world = make_world(lift=1.0)
    world = World(logging=uniform, target=world.target, mean_reward=world.mean_reward)
    mean, se = means_over_logs(
        world,
        lambda log, q, v: estimators.replay(log.reward, estimators.drawn_matches(log.target, seed=len(log))),
    )
    assert abs(mean - world.value) < 4 * se
