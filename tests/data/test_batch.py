"""A checked batch between two stages: written and read, it is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from components.data.batch import read_checked, write_checked
from tests.data.landing import bad, batch, event, item


@pytest.mark.parametrize("rows", [(event("a"), event("b", user="ü", value=None, hours=1)), ()])
def test_written_and_read_back_it_is_the_same(tmp_path: Path, rows):
    checked = batch(
        *rows, items=(item("i1", "One"),), quarantined=(bad("bad_id", payload='{"a": "\\u0000"}'),)
    )
    write_checked(checked, tmp_path)
    back = read_checked(tmp_path)
    assert (back.source, back.digest, back.data_docs) == (checked.source, checked.digest, checked.data_docs)
    for name in ("items", "quarantined"):
        pd.testing.assert_frame_equal(getattr(back, name), getattr(checked, name))
    texts = dict.fromkeys(("event_id", "user_id", "item_id", "event_type"), object)
    pd.testing.assert_frame_equal(back.events.astype(texts), checked.events.astype(texts))


def test_a_file_of_events_holds_no_text_of_a_row_that_is_not_there(tmp_path: Path):
    """As when an erased user's rows were left out: a categorical keeps the id among its categories."""
    whole = batch(event("a", user="someone-private"), event("b", user="u2"), items=(item("i1", "One"),))
    coded = whole.events.astype({"user_id": "category"})
    write_checked(replace(whole, events=coded[1:]), tmp_path)
    assert b"someone-private" not in (tmp_path / "events.parquet").read_bytes()
    assert read_checked(tmp_path).events["user_id"].cat.categories.tolist() == ["u2"]
