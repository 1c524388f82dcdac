"""Point in time: every row of the spine comes back, in its place, knowing nothing of its future."""

from __future__ import annotations

from datetime import timedelta

import ibis
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.features.sequences import training_spine, user_sequences
from components.features.store.offline import write_item_vectors, write_user_sequences
from components.features.store.opening import OpenStore
from components.features.store.retrieval import (
    EncoderMismatch,
    PointInTimeBroken,
    item_vector_rows,
    training_rows,
)
from tests.features.rows import at, events, in_frame
from tests.features.store.test_offline import vectors_of

LOG = events(("a", "x", 1), ("b", "y", 2), ("a", "y", 6), ("b", "x", 8), ("c", "z", 7))
LONG_AGO = events(("old", "x", -900_000_000.0))


def ids(*users: str) -> np.ndarray:
    return np.array(users, dtype=object)


def test_each_cut_gets_its_own_row_and_no_spine_row_is_lost(offline: OpenStore):
    """In the spine's order: a user twice, one unknown, one whose first event is later than the row."""
    for cut in (9, 5):
        write_user_sequences(offline.home, user_sequences(LOG, cutoff=at(cut)))
    spine = pd.concat(
        [training_spine(ids("c", "b", "nobody", "a"), at(5)), training_spine(ids("b", "c"), at(9))],
        ignore_index=True,
    )
    rows = in_frame(training_rows(offline, spine))
    assert rows["user_id"].tolist() == ["c", "b", "nobody", "a", "b", "c"]
    assert rows["event_timestamp"].tolist() == spine["event_timestamp"].tolist()
    assert rows["item_ids"].tolist() == [[], ["y"], [], ["x"], ["y", "x"], ["z"]]
    assert rows["times"].tolist() == [[], [2], [], [1], [2, 8], [7]]
    assert rows["num_events"].tolist() == [0, 1, 0, 1, 2, 1]
    assert rows["cut_at"].isna().tolist() == [True, False, True, False, False, False]


def test_cut_files_are_read_without_what_duckdb_remembers_of_them(offline: OpenStore):
    """A cut that is written again at once was old and new in one, once in some hundred reads."""
    connection = ibis.get_backend()
    connection.raw_sql("SET enable_external_file_cache = true")
    training_rows(offline, training_spine(np.array(["u1"], dtype=object), at(5)))
    told = connection.raw_sql("SELECT current_setting('enable_external_file_cache')").fetchone()
    assert told == (False,)


def test_rows_of_any_age_stay(offline: OpenStore):
    """Forty years between the last cut and the spine, and a spine before every row: none is dropped."""
    write_user_sequences(offline.home, user_sequences(LONG_AGO, cutoff=at(-800_000_000)))
    spine = pd.concat([training_spine(ids("old"), at(c)) for c in (500_000_000, -900_000_000)])
    rows = in_frame(training_rows(offline, spine))
    assert rows["item_ids"].tolist() == [["x"], []]


def test_a_moment_before_the_next_cut_sees_the_cut_before(offline: OpenStore):
    for cut in (5, 9):
        write_user_sequences(offline.home, user_sequences(LOG, cutoff=at(cut)))
    rows = in_frame(training_rows(offline, training_spine(ids("a"), at(9) - timedelta(microseconds=1))))
    assert rows["item_ids"].tolist() == [["x"]]


def test_a_late_event_appears_in_the_next_cut_and_never_in_the_last(offline: OpenStore):
    """b's w at second 3 arrives after the cut at 5: unknown there, known at 9, though b did nothing since."""
    on_time = events(("b", "y", 2))
    late = events(("b", "y", 2), ("b", "w", 3))
    write_user_sequences(offline.home, user_sequences(on_time, cutoff=at(5)))
    write_user_sequences(offline.home, user_sequences(late, cutoff=at(9)))
    spine = pd.concat([training_spine(ids("b"), at(5)), training_spine(ids("b"), at(9))])
    assert in_frame(training_rows(offline, spine))["item_ids"].tolist() == [["y"], ["y", "w"]]


def test_a_planted_future_event_is_refused(offline: OpenStore):
    """A row that holds an event of second 70: the guard names the user and gives nothing."""
    write_user_sequences(offline.home, user_sequences(LOG, cutoff=at(9)))
    path = next(p for p in (offline.home / "offline" / "user_sequence").iterdir() if p.name.startswith("cut"))
    table = pq.read_table(path)
    planted = table["times"].to_pylist()
    planted[1][-1] = 70
    column = table.schema.get_field_index("times")
    pq.write_table(table.set_column(column, table.schema.field("times"), [planted]), path)
    assert in_frame(training_rows(offline, training_spine(ids("a"), at(9))))["times"].tolist() == [[1, 6]]
    with pytest.raises(PointInTimeBroken, match=r"1 of 2 sequences .* user b "):
        in_frame(training_rows(offline, training_spine(ids("a", "b"), at(9))))


@pytest.mark.parametrize("spine", [training_spine(ids(), at(5)), pd.DataFrame(
    {"user_id": ["a"], "event_timestamp": [pd.Timestamp("2000-01-01")]})])  # fmt: skip
def test_an_empty_or_naive_spine_is_refused(offline: OpenStore, spine):
    with pytest.raises(ValueError, match=r"is empty|no time zone"):
        in_frame(training_rows(offline, spine))


def test_item_vectors_as_of_a_moment(offline: OpenStore):
    """j is not yet there at 3, i has new content from 4 on, k is unknown; images nobody has are absent."""
    write_item_vectors(offline.home, vectors_of(["i"], 1.0), available_at=[at(1)], known_at=at(9))
    write_item_vectors(offline.home, vectors_of(["i", "j"], 2.0), available_at=[at(4), at(4)], known_at=at(9))
    wanted = {"text": "net/2", "image": "eye/3"}
    early = item_vector_rows(offline, ids("k", "j", "i"), at=at(3), encoders=wanted)
    assert early.item_ids.tolist() == ["i", "j", "k"]
    assert early.modalities == ("text",)
    assert early.vectors["text"].tolist() == [[1, 1], [0, 0], [0, 0]]
    assert early.present["text"].tolist() == [True, False, False]
    assert early.health["text"].missing == 2
    later = item_vector_rows(offline, ids("i", "j"), at=at(4), encoders=wanted)
    assert later.vectors["text"].tolist() == [[2, 2], [2, 2]]


def test_vectors_of_another_space_are_refused(offline: OpenStore):
    write_item_vectors(offline.home, vectors_of(["i"], 1.0, "old/2"), available_at=[at(1)], known_at=at(2))
    write_item_vectors(offline.home, vectors_of(["j"], 1.0, "net/2"), available_at=[at(1)], known_at=at(2))
    with pytest.raises(EncoderMismatch, match=r"old/2, asked for net/2"):
        item_vector_rows(offline, ids("i", "j"), at=at(3), encoders={"text": "net/2"})
    write_item_vectors(offline.home, vectors_of(["i"], 5.0, "net/2"), available_at=[at(1)], known_at=at(3))
    refitted = item_vector_rows(offline, ids("i", "j"), at=at(3), encoders={"text": "net/2"})
    assert refitted.vectors["text"].tolist() == [[5, 5], [1, 1]]


def test_an_item_described_anew_is_read_as_it_was_known(offline: OpenStore):
    """The cut at 5 knows the first vector, the cut at 9 the second, whichever cycle runs again."""
    for value, cut in ((1.0, 5), (2.0, 9)):
        write_item_vectors(offline.home, vectors_of(["i"], value), available_at=[at(1)], known_at=at(cut))
    assert _known_before(offline, 5) == [[1, 1]]
    for value, cut in ((1.0, 5), (2.0, 9)):
        write_item_vectors(offline.home, vectors_of(["i"], value), available_at=[at(1)], known_at=at(cut))
    for cut, value in ((3, 1), (5, 1), (8, 1), (9, 2), (20, 2)):
        assert _known_before(offline, cut) == [[value, value]], cut


def _known_before(offline: OpenStore, cut: float) -> list[list[float]]:
    moment = at(cut) - timedelta(microseconds=1)
    found = item_vector_rows(offline, ids("i"), at=moment, encoders={"text": "net/2"})
    return found.vectors["text"].tolist()


def test_after_another_encoder_each_cut_finds_the_space_it_was_read_in(offline: OpenStore):
    """Described anew at 9 in the old space, encoded anew at 12; an earlier cut still finds the old."""
    writes = [("old/2", 1.0, 5), ("old/2", 2.0, 9), ("new/2", 7.0, 12), ("new/2", 7.0, 15)]
    for encoder, value, cut in writes:
        write_item_vectors(
            offline.home, vectors_of(["i"], value, encoder), available_at=[at(1)], known_at=at(cut)
        )
    for cut, encoder, value in ((5, "old/2", 1), (9, "old/2", 2), (12, "new/2", 7), (15, "new/2", 7)):
        found = item_vector_rows(
            offline, ids("i"), at=at(cut) - timedelta(microseconds=1), encoders={"text": encoder}
        )
        assert found.vectors["text"].tolist() == [[value, value]], cut
    kept = pq.read_table(offline.home / "offline" / "item_content_text" / "new_2.parquet")
    assert kept.num_rows == 1  # the same vector again adds no row
