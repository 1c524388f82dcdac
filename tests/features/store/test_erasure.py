"""Erasure: no file and no database of the store holds the user afterwards, and the others are as they were."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from components.features.sequences import training_spine, user_sequences
from components.features.store.erasure import OnlineErasureUnsupported, count_user, erase_user
from components.features.store.offline import write_user_sequences
from components.features.store.online import materialize, online_sequences
from components.features.store.opening import OpenStore
from components.features.store.retrieval import training_rows
from tests.features.rows import at, events, in_frame
from tests.features.store.test_retrieval import ids

USER = "user-to-erase-4711"
LOG = events((USER, "x", 1), ("b", "y", 2), (USER, "y", 6), (f"{USER}-2", "z", 7))


def files_with(root: Path, word: str, but: str) -> list[str]:
    """Files that hold the word, other than inside `but`."""
    found = []
    for path in root.rglob("*"):
        if path.is_file() and word.encode() in path.read_bytes().replace(but.encode(), b""):
            found.append(path.name)
    return found


def test_nothing_of_the_user_is_left_offline_or_online(store: OpenStore):
    for cut in (5, 9):
        write_user_sequences(store.home, user_sequences(LOG, cutoff=at(cut)))
    materialize(store, end=at(9))
    aside = store.home / "offline" / "user_sequence" / ".left-by-a-kill"
    aside.write_text(USER)
    other = f"{USER}-2"
    assert files_with(store.home, USER, but=other)
    assert (count_user(store, USER), count_user(store, other), count_user(store, "nobody")) == (3, 2, 0)
    for _ in range(2):
        erase_user(store, USER)
        assert (count_user(store, USER), count_user(store, other)) == (0, 2)
    assert files_with(store.home, USER, but=other) == []
    online = online_sequences(store, [USER, "b", other], as_of=at(9), max_age=timedelta(days=1))
    assert online["known"].tolist() == [False, True, True]
    rows = in_frame(training_rows(store, training_spine(ids(USER, "b"), at(9))))
    assert rows["item_ids"].tolist() == [[], ["y"]]


def test_an_online_store_of_another_kind_is_refused_by_name(store: OpenStore):
    store.feast.config.online_store.type = "dynamodb"
    with pytest.raises(OnlineErasureUnsupported, match=r"type dynamodb.*user_id='u'"):
        count_user(store, "u")
