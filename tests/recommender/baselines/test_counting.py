import numpy as np

from components.recommender.baselines.counting import BASELINES, count_baselines
from components.recommender.baselines.popularity import fit_popularity
from components.recommender.baselines.random_order import RandomArm
from tests.recommender.examples import histories_of

DAY = 86_400
ITEMS = np.array(["a", "a", "a", "b", "b", "c", "c"], dtype=object)
TIMES = np.array([0, 0, 0, 39 * DAY, 40 * DAY, 40 * DAY, 41 * DAY])
CATALOGUE = np.array(["c", "b", "a"], dtype=object)


def test_what_is_counted_and_what_is_cut():
    """Of all time a 3, b 2, c 2; of the 30 days before day 41 b 2, c 1 (the event of day 41 itself is cut), a 0."""
    arms = {arm.name: arm for arm in count_baselines(ITEMS, TIMES, cutoff=41 * DAY)}
    assert tuple(arms) == BASELINES
    asked = histories_of(CATALOGUE, [[]])
    ever = arms["popularity"].recommend(asked, k=3)
    lately = arms["recent_popularity"].recommend(asked, k=3)
    assert (ever.items.tolist(), ever.scores.tolist()) == ([[2, 0, 1]], [[3, 2, 2]])
    assert (lately.items.tolist(), lately.scores.tolist()) == ([[1, 0, 2]], [[2, 1, 0]])


def test_two_cycles_get_the_same_arms(tmp_path):
    asked = histories_of(CATALOGUE, [[0], [1, 2], []])
    for arm, same in zip(
        count_baselines(ITEMS, TIMES, cutoff=41 * DAY),
        (fit_popularity(ITEMS), None, RandomArm(seed=7)),
        strict=True,
    ):
        if same is not None:
            np.testing.assert_array_equal(arm.recommend(asked, k=3).scores, same.recommend(asked, k=3).scores)


def test_events_count_by_their_weight():
    """a .2 x 3, b 1 + 1, c 0 + 0 of all time; of late b 2, and c, which only weighs nothing, stays known."""
    weights = np.array([0.2, 0.2, 0.2, 1, 1, 0, 0])
    arms = {arm.name: arm for arm in count_baselines(ITEMS, TIMES, weights, cutoff=41 * DAY)}
    asked = histories_of(CATALOGUE, [[]])
    ever = arms["popularity"].recommend(asked, k=3)
    lately = arms["recent_popularity"].recommend(asked, k=3)
    assert ever.items.tolist() == [[1, 2, 0]]
    np.testing.assert_allclose(ever.scores, [[2, 0.6, 0]], rtol=1e-6)
    assert (lately.items.tolist(), lately.scores.tolist()) == ([[1, 0, 2]], [[2, 0, 0]])
