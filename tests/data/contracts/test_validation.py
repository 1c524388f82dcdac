"""Great Expectations held to its word: nothing passes that was not looked at, and failing rows are named."""

from __future__ import annotations

from pathlib import Path

import great_expectations.expectations as gxe
import pandas as pd
import pytest

from components.data.contracts.subject import Subject
from components.data.contracts.validation import ValidationNotRun, data_docs_index, validate

GUARDS = Subject(rows="guards")


def test_great_expectations_alone_would_pass_on_nothing(gx_root):
    frame = pd.DataFrame({"a": [1, 2]})
    not_null = gxe.ExpectColumnValuesToNotBeNull(column="a", meta={"reason": "r"})
    for rows, suite, says in (
        (frame.head(0), [not_null], "0 rows"),
        (frame, [], "0 expectations"),
        (frame, [gxe.ExpectColumnValuesToNotBeNull(column="b", meta={"reason": "r"})], "on b could not"),
        (frame, [gxe.ExpectTableRowCountToEqual(value=3)], "2 was observed"),
    ):
        with pytest.raises(ValidationNotRun, match=says):
            validate(rows, suite, subject=GUARDS, gx_root=gx_root, shown=())
    assert validate(frame, [not_null], subject=GUARDS, gx_root=gx_root, shown=()).reasons == {}


def test_a_row_carries_the_reasons_of_all_it_breaks_in_order(gx_root):
    """Row 1 has no a and a b above 5; row 2 only the latter; row 0 breaks nothing."""
    frame = pd.DataFrame({"a": [1.0, None, 3.0], "b": [1, 9, 9], "row": [7, 8, 9]})
    suite = [
        gxe.ExpectColumnValuesToBeBetween(column="b", max_value=5, meta={"reason": "too_large"}),
        gxe.ExpectColumnValuesToNotBeNull(column="a", meta={"reason": "absent"}),
    ]
    found = validate(frame, suite, subject=Subject(rows="reasons"), gx_root=gx_root, shown=("row",))
    assert found.reasons == {1: ("absent", "too_large"), 2: ("too_large",)}
    assert Path(found.page).is_file()
    assert data_docs_index(gx_root).is_file()
