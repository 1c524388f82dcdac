from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from components.data import queries
from components.data.ingest import land_batch, stop_batch
from components.data.warehouse import open_warehouse
from tests.data.landing import NOON, bad, batch, event, item


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


def test_an_empty_warehouse_answers_with_nothing(engine: Engine):
    assert queries.counts(engine) == queries.Counts(events=0, users=0, items=0, quarantined=0, batches=0)
    assert queries.freshness(engine) == queries.Freshness(last_event_at=None, last_landing_at=None)
    assert queries.event_time_quantile(engine, 0.5) is None
    assert queries.user_history(engine, "u1").empty
    assert queries.titles(engine, ["i1"]) == {}
    assert queries.quarantine_reasons(engine) == {}


def test_counts_and_freshness_tell_of_what_landed(engine: Engine):
    landing = datetime(2025, 1, 1, tzinfo=UTC)
    rows = event("a", hours=3), event("b", user="u2")
    land_batch(engine, batch(*rows, items=(item("i1"),), quarantined=(bad("x"),)), now=lambda: landing)
    stop_batch(engine, batch(event("c", hours=9)), "too bad")
    assert queries.counts(engine) == queries.Counts(events=2, users=2, items=1, quarantined=1, batches=1)
    last_event = (NOON + pd.Timedelta(hours=3)).to_pydatetime()
    assert queries.freshness(engine) == queries.Freshness(last_event_at=last_event, last_landing_at=landing)


def test_quantile_worked_example(engine: Engine):
    """Ten events, one an hour: .7 is the moment of the eighth, before which seven lie; 1 is past the last."""
    land_batch(engine, batch(*(event(f"e{n}", hours=n) for n in range(10))))
    assert queries.event_time_quantile(engine, 0.7) == NOON + pd.Timedelta(hours=7)
    assert queries.event_time_quantile(engine, 0) == NOON
    assert queries.event_time_quantile(engine, 1) == NOON + pd.Timedelta(hours=9, seconds=1)
    with pytest.raises(ValueError, match=r"q is 1\.5"):
        queries.event_time_quantile(engine, 1.5)


def test_the_latest_batch_that_brought_events_says_where_it_begins(engine: Engine):
    """The second brings b of the fourth hour; a third, without an event, moves nothing."""
    assert queries.latest_batch_start(engine) is None
    land_batch(engine, batch(event("a", hours=0)))
    land_batch(engine, batch(event("b", hours=4), event("c", hours=6)))
    land_batch(engine, batch(items=(item("i1"),)))
    assert queries.latest_batch_start(engine) == NOON + pd.Timedelta(hours=4)


@settings(max_examples=30, deadline=None)
@given(hours=st.lists(st.floats(-50, 50), min_size=1, max_size=30), q=st.floats(0, 1))
def test_at_most_a_share_q_lies_before_the_quantile_and_a_share_q_up_to_it(tmp_path_factory, hours, q):
    engine = open_warehouse(f"sqlite:///{tmp_path_factory.mktemp('w')}/warehouse.db")
    rows = [event(f"e{n}", hours=h) for n, h in enumerate(hours)]
    land_batch(engine, batch(*rows))
    cut = queries.event_time_quantile(engine, q)
    times = pd.Series([row["timestamp"] for row in rows]).dt.floor("us")
    assert (times < cut).sum() <= q * len(rows) + 1e-6
    assert (times <= cut).sum() >= q * len(rows) - 1e-6
    engine.dispose()


def test_history_is_the_last_events_before_a_moment_oldest_first(engine: Engine):
    rows = [event(f"e{n}", item=f"i{n}", hours=n, value=None if n == 2 else n) for n in (3, 1, 2, 0)]
    land_batch(engine, batch(*rows, event("x", user="u2")))
    before = (NOON + pd.Timedelta(hours=3)).to_pydatetime()
    history = queries.user_history(engine, "u1", before=before, limit=2)
    assert history["item_id"].tolist() == ["i1", "i2"]
    assert history["timestamp"].tolist() == [NOON + pd.Timedelta(hours=h) for h in (1, 2)]
    np.testing.assert_array_equal(history["value"], [1.0, np.nan])
    empty = queries.user_history(engine, "nobody")
    assert empty.dtypes.tolist() == history.dtypes.tolist()


def test_titles_of_those_that_have_one(engine: Engine):
    land_batch(engine, batch(items=(item("i1", "One"), item("i2"), item("i3", "Three"))))
    wanted = np.array(["i1", "i2", "unknown"], dtype=object)
    assert queries.titles(engine, wanted) == {"i1": "One"}


def test_reasons_are_counted_one_by_one(engine: Engine):
    first = land_batch(engine, batch(quarantined=(bad("a|b"), bad("b"), bad("c", kind="item"))))
    land_batch(engine, batch(quarantined=(bad("c"), bad("c"))))
    assert list(queries.quarantine_reasons(engine).items()) == [("c", 3), ("b", 2), ("a", 1)]
    assert queries.quarantine_reasons(engine, batch_id=first.batch_id) == {"b": 2, "a": 1, "c": 1}


def test_popularity_of_an_item_worked_example(engine: Engine):
    """Before hour 5: i1 has 3 events of 2 of 3 users, i2 and i3 one each; i1's later event counts later."""
    rows = [event("a"), event("b", hours=1), event("c", user="u2"), event("d", user="u3", item="i2")]
    rows += [event("e", user="u3", item="i3"), event("f", user="u9", hours=6)]
    land_batch(engine, batch(*rows))
    before = (NOON + pd.Timedelta(hours=5)).to_pydatetime()
    found = queries.item_popularity(engine, "i1", before=before)
    assert found == queries.ItemPopularity(events=3, users=2, rank=1, num_items=3, num_users=3)
    assert found.novelty == pytest.approx(np.log2(3 / 2))
    assert [queries.item_popularity(engine, item, before=before).rank for item in ("i2", "i3")] == [2, 2]
    nobody = queries.item_popularity(engine, "new", before=before)
    assert (nobody.events, nobody.rank, nobody.novelty) == (0, 4, 2.0)
