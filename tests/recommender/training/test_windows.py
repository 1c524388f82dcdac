import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.recommender.sequences import TrainingSequences
from components.recommender.training.windows import cut_windows, known_before, window_batches
from tests.recommender.examples import item_names


def sequences_of(lengths: list[int], seconds: int, seed: int) -> TrainingSequences:
    """Random items; `seconds` distinct moments a user, so few of them means many ties."""
    rng = np.random.default_rng(seed)
    names = item_names(9)
    return TrainingSequences.from_lists(
        [names[rng.integers(0, 9, n)].tolist() for n in lengths],
        [np.sort(rng.integers(0, seconds, n)).tolist() for n in lengths],
        item_ids=names,
    )


def test_history_ends_in_an_earlier_second():
    """Moments 1 1 2 | 1: the second event of moment 1 may read nothing, the one of moment 2 both before it."""
    made = TrainingSequences.from_lists([["a", "b", "c"], ["d"]], [[1, 1, 2], [1]])
    assert known_before(made, strict_time=True).tolist() == [0, 0, 2, 3]
    assert known_before(made, strict_time=False).tolist() == [0, 1, 2, 3]


def test_worked_window():
    """a b c in three seconds, one window: from the start state a, after a b, after a b c (never read: c)."""
    made = TrainingSequences.from_lists([["a", "b", "c"]])
    rng = np.random.default_rng(0)
    windows = cut_windows(made, max_length=5, stride=5, rng=rng)
    (batch,) = window_batches(
        made,
        windows,
        known=known_before(made, strict_time=True),
        is_target=np.ones(3, bool),
        batch_size=4,
        rng=rng,
    )
    assert batch.items.tolist() == [[0, 1]]
    assert (batch.state_at.tolist(), batch.targets.tolist()) == ([0, 1, 2], [0, 1, 2])


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    max_length=st.integers(1, 12),
    stride=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_every_event_is_a_target_once(lengths, max_length, stride, seed):
    """Without ties, with a stride within the window, an epoch's targets are the events; none reads itself."""
    stride = min(stride, max_length)
    made = sequences_of(lengths, 10**9, seed)
    rng = np.random.default_rng(seed)
    windows = cut_windows(made, max_length=max_length, stride=stride, rng=rng)
    covered = np.concatenate([np.arange(a, b) for a, b in zip(windows.begin, windows.end, strict=True)])
    assert sorted(covered) == list(range(len(made.items)))
    assert (windows.end - 1 - windows.first <= max_length).all()
    batches = list(
        window_batches(
            made,
            windows,
            known=known_before(made, strict_time=False),
            is_target=np.ones(len(made.items), bool),
            batch_size=3,
            rng=rng,
        )
    )
    targets = np.concatenate([batch.targets.numpy() for batch in batches])
    assert sorted(targets) == sorted(made.items)


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    seconds=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_a_target_reads_only_earlier_seconds(lengths, seconds, seed):
    """Items are distinct here, so the state's history can be looked up: it ends before the target's second."""
    made = sequences_of(lengths, seconds, seed)
    distinct = TrainingSequences(
        item_ids=item_names(len(made.items)),
        items=np.arange(len(made.items), dtype=np.int32),
        times=made.times,
        offsets=made.offsets,
    )
    rng = np.random.default_rng(seed)
    windows = cut_windows(distinct, max_length=7, stride=7, rng=rng)
    for batch in window_batches(
        distinct,
        windows,
        known=known_before(distinct, strict_time=True),
        is_target=np.ones(len(made.items), bool),
        batch_size=3,
        rng=rng,
    ):
        places = batch.items.shape[1] + 1
        for state, target in zip(batch.state_at.tolist(), batch.targets.tolist(), strict=True):
            row, length = divmod(state, places)
            read = batch.items[row, :length].tolist()
            owner = distinct.user_of_event()
            assert all(distinct.times[event] < distinct.times[target] for event in read)
            assert all(owner[event] == owner[target] for event in read)
            if not read:  # the start state is for users without any earlier event
                first = distinct.offsets[owner[target]]
                assert distinct.times[first] == distinct.times[target]


def test_targets_carry_their_weights_and_events_of_weight_0_are_read_but_no_targets():
    made = TrainingSequences.from_lists([["a", "b", "c", "b"], ["c", "a"]], weights=[[1, 0, 2, 0], [0, 3]])
    batches = list(
        window_batches(
            made,
            cut_windows(made, max_length=7, stride=7, rng=np.random.default_rng(0)),
            known=known_before(made, strict_time=True),
            is_target=made.is_target,
            batch_size=1,
            rng=np.random.default_rng(0),
        )
    )
    found = [
        (batch.targets.tolist(), batch.weights.tolist(), batch.items[0].tolist())
        for batch in batches
        if batch.weights is not None
    ]
    assert sorted(found) == [([0], [3.0], [2]), ([0, 2], [1.0, 2.0], [0, 1, 2])]
