import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.networks.cloze_network import Cloze
from components.recommender.sequences import TrainingSequences
from components.recommender.training.cloze_batches import cloze_batches
from components.recommender.training.windows import WindowBatch, cut_windows, known_before

MASK, PADDING = 100, 101


def sequences_of(lengths: list[int], seconds: int, seed: int) -> TrainingSequences:
    """Every event an item of its own, so that a target says which event it is; few moments mean many ties."""
    rng = np.random.default_rng(seed)
    names = np.array([f"{number:03d}" for number in range(100)], dtype=object)
    ends = np.cumsum(lengths)
    return TrainingSequences.from_lists(
        [names[end - length : end].tolist() for length, end in zip(lengths, ends, strict=True)],
        [np.sort(rng.integers(0, seconds, length)).tolist() for length in lengths],
        item_ids=names,
    )


def batches(
    made: TrainingSequences, cloze: Cloze, *, held_out: np.ndarray, strict: bool, max_length: int, seed: int
) -> list[WindowBatch]:
    rng = np.random.default_rng(seed)
    windows = cut_windows(made, max_length=max_length, stride=max_length, rng=rng)
    known = known_before(made, strict_time=strict)
    given = {"is_held_out": held_out, "known": known, "is_target": ~held_out, "batch_size": 2, "rng": rng}
    return list(cloze_batches(made, windows, cloze, **given))


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 16), min_size=1, max_size=6),
    seconds=st.sampled_from([3, 10**9]),
    share=st.sampled_from([0.2, 1.0]),
    last_share=st.sampled_from([0.0, 1.0]),
    strict=st.booleans(),
    held=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_a_gap_is_where_its_target_was(lengths, seconds, share, last_share, strict, held, seed):
    """With targets put back, rows are runs of a user's events; a state stands at its mask; held-out events are nowhere;
    of one moment none is seen while another is asked for."""
    made = sequences_of(lengths, seconds, seed)
    held_out = np.zeros(len(made.items), dtype=bool)
    for end in made.offsets[1:]:
        held_out[max(end - held, made.offsets[made.offsets < end].max()) : end] = True
    cloze = Cloze(share=share, last_share=last_share)
    user, seen_targets = made.user_of_event(), []
    for batch in batches(made, cloze, held_out=held_out, strict=strict, max_length=5, seed=seed):
        rows = batch.items.numpy().copy()
        row, place = np.divmod(batch.state_at.numpy(), rows.shape[1] + 1)
        assert (rows[row, place - 1] == MASK).all()
        assert (rows == MASK).sum() == len(batch.targets)
        rows[row, place - 1] = batch.targets.numpy()
        assert set(row) == set(range(len(rows)))  # every window asks for something
        for at, line in enumerate(rows):
            run = line[line != PADDING]
            assert (line[len(run) :] == PADDING).all()
            assert (np.diff(run) == 1).all()
            assert len(set(user[run])) == 1
            assert not held_out[run].any()
            hidden = set(batch.targets[row == at].tolist())
            if strict:
                moments = {int(made.times[one]) for one in hidden}
                first = min(hidden)  # earlier events of the window belong to another window's targets
                shown = {one for one in run.tolist() if one not in hidden and one > first}
                assert not moments & {int(made.times[one]) for one in shown}
        seen_targets += batch.targets.tolist()
    assert len(seen_targets) == len(set(seen_targets))
    if share == 1.0 and not last_share:
        assert sorted(seen_targets) == np.flatnonzero(~held_out).tolist()


def test_the_last_event_alone_in_as_many_windows_as_asked_for():
    """Without ties each window asks for its last event and no other, though the share alone would hide all."""
    made = sequences_of([6, 6], 10**9, 0)
    none = np.zeros(12, dtype=bool)
    (batch,) = batches(
        made, Cloze(share=1.0, last_share=1.0), held_out=none, strict=True, max_length=6, seed=0
    )
    assert sorted(batch.targets.tolist()) == [5, 11]
