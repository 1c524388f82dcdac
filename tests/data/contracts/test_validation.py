"""Great Expectations held to its word: nothing passes that was not looked at, and failing rows are named."""

from __future__ import annotations

import re
from copy import deepcopy
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


def test_pieces_tell_what_the_whole_tells(gx_root):
    """Of 10 rows, 2, 5 and 9 lack an a; 5 is above the limit of b, and 2 of 10 may be above that of c."""
    frame = pd.DataFrame(
        {"a": pd.Series(range(10), dtype="float32"), "b": 1, "c": [9, 9, *[0] * 8], "row": range(10)}
    )
    frame.loc[[2, 5, 9], "a"] = None
    frame.loc[5, "b"] = 7
    rules = [
        gxe.ExpectTableRowCountToEqual(value=10),
        gxe.ExpectColumnValuesToNotBeNull(column="a", meta={"reason": "absent"}),
        gxe.ExpectColumnValuesToBeBetween(column="b", max_value=5, meta={"reason": "too_large"}),
        gxe.ExpectColumnValuesToBeBetween(column="c", max_value=5, mostly=0.8, meta={"reason": "too_many"}),
    ]
    found = [
        validate(
            frame,
            deepcopy(rules),
            subject=Subject(rows="pieces"),
            gx_root=gx_root,
            shown=("row",),
            rows_at_once=size,
        )
        for size in (10, 4, 1)
    ]
    assert found[0].reasons == {2: ("absent",), 5: ("absent", "too_large"), 9: ("absent",)}
    pages = [re.sub(r"checked [^,]*Z", "", Path(one.page).read_text()) for one in found]
    for one, page in zip(found[1:], pages[1:], strict=True):
        assert (one.reasons, page) == (found[0].reasons, pages[0])
    with pytest.raises(ValidationNotRun, match="was observed"):
        validate(frame[1:], rules, subject=GUARDS, gx_root=gx_root, shown=(), rows_at_once=4)
