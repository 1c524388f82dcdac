import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.sequences import TrainingSequences
from components.recommender.training.tiger_training import TigerTraining, target_batches
from tests.recommender.examples import item_names


@settings(max_examples=20, deadline=None)
@given(
    lists=st.lists(st.lists(st.integers(0, 6), max_size=12), min_size=1, max_size=8),
    strict=st.booleans(),
    horizon=st.integers(1, 4),
    per_user=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_histories_end_before_their_targets(lists, strict, horizon, per_user, seed):
    """Two events a second: each drawn event once, targets follow it, its history holds nothing of its second."""
    names = item_names(7)
    lists = [[0], *lists]
    sequences = TrainingSequences.from_lists(
        [names[one].tolist() for one in lists],
        [[at // 2 for at in range(len(one))] for one in lists],
        item_ids=names,
    )
    config = TigerTraining(horizon=horizon, histories_per_user=per_user, strict_time=strict, batch_size=3)
    wanted = []  # of every event: its history, its targets
    for one in filter(None, lists):
        for event in range(len(one)):
            known = event // 2 * 2 if strict else event
            wanted.append((tuple(one[max(0, known - 4) : known]), tuple(one[event : event + horizon])))
    drawn = []
    for batch in target_batches(sequences, config, max_items=4, rng=np.random.default_rng(seed)):
        for items, length, targets, is_target in zip(
            batch.items.tolist(), batch.length.tolist(), batch.targets, batch.is_target, strict=True
        ):
            drawn.append((tuple(items[:length]), tuple(targets[is_target].tolist())))
    assert len(drawn) == sum(min(per_user, len(one)) for one in lists)
    for one in drawn:
        wanted.remove(one)  # raises where a pair was not to be, or came too often


def test_drawn_targets_weigh_something_and_carry_their_weights():
    """Two of four events a user may be targets; a horizon of three looks past those that may not."""
    sequences = TrainingSequences.from_lists([["a", "b", "c", "d"]] * 5, weights=[[0, 1, 0, 3]] * 5)
    config = TigerTraining(horizon=3, histories_per_user=3, batch_size=4)
    found = []
    for batch in target_batches(sequences, config, max_items=4, rng=np.random.default_rng(0)):
        assert batch.weights is not None
        for targets, is_target, weights in zip(batch.targets, batch.is_target, batch.weights, strict=True):
            found.append((tuple(targets[is_target].tolist()), tuple(weights[is_target].tolist())))
    assert sorted(found) == [((1, 3), (1.0, 3.0))] * 5 + [((3,), (3.0,))] * 5


def test_config_is_checked():
    with pytest.raises(ValueError, match="horizon must be at least 1"):
        TigerTraining(horizon=0)
