"""A checked batch between two stages: written and read, it is the same."""

from __future__ import annotations

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
    for name in ("events", "items", "quarantined"):
        pd.testing.assert_frame_equal(getattr(back, name), getattr(checked, name))
