import numpy as np

from components.recommender.baselines.random_order import RandomArm, load_random
from tests.recommender.examples import histories_of, item_names

NAMES = item_names(200)


def test_a_list_is_drawn_from_seed_and_history():
    asked = histories_of(NAMES, [[1, 2], [2, 1], [1, 2], []])
    lists = RandomArm(seed=3).recommend(asked, k=20).items
    assert lists[0].tolist() == lists[2].tolist()
    assert len({tuple(one) for one in lists.tolist()}) == 3
    assert (RandomArm(seed=4).recommend(asked, k=20).items != lists).any()
    np.testing.assert_array_equal(load_random({"seed": 3}).recommend(asked, k=20).items, lists)


def test_every_item_comes_about_as_often():
    """4,000 lists of 10 out of 200: each item in about 200 of them (sd 14), none in under 120 or over 280."""
    asked = histories_of(NAMES, [[first, second] for first in range(40) for second in range(100)])
    counts = np.bincount(
        RandomArm(seed=0).recommend(asked, k=10, exclude_seen=False).items.ravel(), minlength=200
    )
    assert counts.sum() == 40_000
    assert counts.min() > 120
    assert counts.max() < 280
