import numpy as np
import pytest

from components.recommender.baselines.popularity import fit_popularity, fit_recent_popularity
from tests.recommender.examples import histories_of

DAY = 86_400
EVENTS = np.array(["a", "a", "a", "b", "b", "c"], dtype=object)
TIMES = np.array([0, 0, 0, 0, 40 * DAY, 40 * DAY])
CATALOGUE = np.array(["b", "x", "c", "a"], dtype=object)


def test_all_time_counts():
    """a 3, b 2, c 1; x was never seen in training."""
    ranked = fit_popularity(EVENTS).recommend(histories_of(CATALOGUE, [[], [3]]), k=3)
    assert ranked.items.tolist() == [[3, 0, 2], [0, 2, -1]]
    assert ranked.scores[0].tolist() == [3, 2, 1]


def test_recent_counts():
    """In the 30 days before day 41: b 1, c 1, tied and so in catalogue order, then a with none."""
    arm = fit_recent_popularity(EVENTS, TIMES, cutoff=41 * DAY)
    ranked = arm.recommend(histories_of(CATALOGUE, [[]]), k=4)
    assert (ranked.items.tolist(), ranked.scores[0, :3].tolist()) == ([[0, 2, 3, -1]], [1, 1, 0])


def test_the_future_is_refused():
    with pytest.raises(ValueError, match="not before the cut-off"):
        fit_recent_popularity(EVENTS, TIMES, cutoff=40 * DAY)
