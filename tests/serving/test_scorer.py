"""Histories in the source's ids in, ranked titles out, pinned to one bundle."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.artifact import ArtifactDamaged, publish
from components.registry.bundle import BundleMismatch, open_bundle
from components.serving.scorer import LIST_COLUMNS, HistoryError, Scorer, load_scorer


def asked(*item_lists: list[str], **columns: list) -> pd.DataFrame:
    users = [f"u{row}" for row in range(len(item_lists))]
    return pd.DataFrame({"user_id": users, "item_ids": list(item_lists), **columns})


def test_worked_example(scorer: Scorer):
    """Popularity is a, b, c, d. u0 has seen a: b, c are left first. u1 has seen b and d: a, c."""
    lists = scorer.recommend(asked(["a"], ["b", "d"]), k=2)
    assert list(lists.columns) == list(LIST_COLUMNS)
    assert lists[["user_id", "rank", "item_id", "title", "score"]].to_numpy().tolist() == [
        ["u0", 1, "b", "B", 3.0],
        ["u0", 2, "c", "C", 2.0],
        ["u1", 1, "a", "A", 4.0],
        ["u1", 2, "c", "C", 2.0],
    ]
    assert set(lists["bundle"]) == {scorer.bundle.digest}


def test_seen_items_come_back_only_if_asked_for(scorer: Scorer):
    lists = scorer.recommend(asked(["a"]), k=1, exclude_seen=False)
    assert lists["item_id"].tolist() == ["a"]


def test_an_item_without_a_title_stands_for_itself(scorer: Scorer):
    assert scorer.recommend(asked(["a", "b", "c"]), k=1)["title"].tolist() == ["d"]


@pytest.mark.parametrize("history", [[], ["never heard of"], ["e"]])
def test_a_history_that_says_nothing_still_gets_a_list(scorer: Scorer, history: list[str]):
    assert scorer.recommend(asked(history), k=3)["item_id"].tolist() == ["a", "b", "c"]


def test_a_list_ends_where_the_items_do(scorer: Scorer):
    lists = scorer.recommend(asked(["a", "b", "c"], ["d"]), k=10)
    assert lists["item_id"].tolist() == ["d", "a", "b", "c"]
    assert lists["rank"].tolist() == [1, 1, 2, 3]


def test_no_users_no_lists(scorer: Scorer):
    assert len(scorer.recommend(asked(), k=3)) == 0


def test_times_are_taken_as_lists_or_arrays(scorer: Scorer):
    plain = scorer.recommend(asked(["a", "b"], times=[[1, 2]]), k=2)
    arrays = scorer.recommend(asked(np.array(["a", "b"], dtype=object), times=[np.array([1, 2])]), k=2)
    pd.testing.assert_frame_equal(plain, arrays)


def test_times_that_do_not_match_are_refused_by_row(scorer: Scorer):
    with pytest.raises(HistoryError, match=r"row 1 .user 'u1'.: 2 items and 1 times"):
        scorer.recommend(asked(["a"], ["a", "b"], times=[[1], [1]]), k=2)


def test_a_list_without_places_is_refused(scorer: Scorer):
    with pytest.raises(HistoryError, match="k is 0"):
        scorer.recommend(asked(["a"]), k=0)


def test_a_flipped_byte_is_refused(bundle_path: Path):
    path = bundle_path / "arm" / "item_ids.parquet"
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactDamaged, match=r"arm/item_ids\.parquet"):
        load_scorer(bundle_path)


class _Planted:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


def test_a_pickle_under_a_safe_name_is_refused_and_not_executed(bundle_path: Path, tmp_path: Path):
    """A bundle published by someone else, all hashes right, whose tables and weights are pickles."""
    marker = tmp_path / "marker"
    bundle = open_bundle(bundle_path)

    def write(folder: Path) -> None:
        (folder / "arm").mkdir()
        (folder / "arm" / "arm.json").write_bytes((bundle_path / "arm" / "arm.json").read_bytes())
        (folder / "items.parquet").write_bytes((bundle_path / "items.parquet").read_bytes())
        (folder / "bundle.json").write_bytes((bundle_path / "bundle.json").read_bytes())
        for name in ("item_ids.parquet", "weights.safetensors"):
            (folder / "arm" / name).write_bytes(pickle.dumps(_Planted(marker)))

    planted = publish(tmp_path / "planted", "bundle", write, parents={}, config=vars(bundle.facts))
    with pytest.raises(BundleMismatch, match=r"arm/item_ids\.parquet: not a table"):
        load_scorer(planted.path)
    assert not marker.exists()
