"""Poisoned rows: after the batch's own, of every kind in turn, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd

from components.data.sources.poison import KINDS, poisoned
from tests.data.contracts.rows import batch_of

AS_OF = datetime(2020, 1, 1, tzinfo=UTC)
BATCH = batch_of([{"user_id": f"u{n}"} for n in range(8)])


def test_the_batchs_own_rows_stay_and_poison_lies_in_no_file():
    found = poisoned(BATCH, seed=1, count=len(KINDS) + 1, as_of=AS_OF)
    pd.testing.assert_frame_equal(found.events.head(8), BATCH.events, check_dtype=False)
    rows = found.events.iloc[8:]
    assert rows["source_row"].tolist() == [-1 - n for n in range(len(KINDS) + 1)]
    assert rows["user_id"].isna().tolist() == [
        True,
        *[False] * (len(KINDS) - 1),
        True,
    ]  # "no user" comes around again
    assert found.items is BATCH.items


def test_the_same_seed_spoils_the_same_rows():
    one, again, other = (poisoned(BATCH, seed=seed, count=11, as_of=AS_OF).events for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again)
    assert not one.equals(other)


def test_no_poison_and_nothing_to_spoil_leave_the_batch_itself():
    assert poisoned(BATCH, seed=1, count=0, as_of=AS_OF) is BATCH
    unreadable = replace(BATCH, events=BATCH.events.assign(timestamp="soon"))
    assert poisoned(unreadable, seed=1, count=5, as_of=AS_OF) is unreadable
