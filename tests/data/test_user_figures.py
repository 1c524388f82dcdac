"""Counts of what users had done, against the events that landed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from components.data.ingest import land_batch
from components.data.moments import NaiveMoment
from components.data.user_figures import most_popular, user_figures
from components.data.warehouse import open_warehouse
from tests.data.landing import NOON, at, batch, event


def test_worked_example(tmp_path: Path):
    """Before the third hour i1 has two events and i2 one; u1 had both items, u2 the first, u3 comes later."""
    engine = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    rows = (
        event("a", item="i1", hours=0), event("b", item="i2", hours=2), event("c", user="u2", item="i1", hours=1),
        event("d", user="u2", item="i2", hours=3), event("e", user="u3", item="i2", hours=4),
    )  # fmt: skip
    land_batch(engine, batch(*rows))
    assert most_popular(engine, before=at(3), limit=1) == ("i1",)
    assert most_popular(engine, before=at(3), limit=9) == ("i1", "i2")
    found = user_figures(engine, ["u3", "u2", "u1"], popular=("i1",), before=at(3))
    assert found["user_id"].tolist() == ["u3", "u2", "u1"]
    assert found["events"].tolist() == [0, 1, 2]
    assert found["popular"].tolist() == [0, 1, 1]
    assert found["last_at"].isna().tolist() == [True, False, False]
    assert found["last_at"].iloc[1] == NOON + pd.Timedelta(hours=1)
    assert found["last_at"].iloc[2] == NOON + pd.Timedelta(hours=2)


def test_what_was_told_late_is_not_counted_before_it_was_known(tmp_path: Path):
    """A second batch tells at the sixth hour of one of the first: by the fifth hour nobody knew."""
    engine = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    land_batch(engine, batch(event("a", hours=0), as_of_hours=4))
    land_batch(engine, batch(event("b", hours=1), as_of_hours=6))
    assert user_figures(engine, ["u1"], popular=(), before=at(5))["events"].tolist() == [1]
    assert user_figures(engine, ["u1"], popular=(), before=at(7))["events"].tolist() == [2]


def test_many_users_and_none(tmp_path: Path):
    engine = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    land_batch(engine, batch(*(event(f"e{n}", user=f"u{n}", hours=n % 7) for n in range(1_100))))
    late = datetime(2100, 1, 1, tzinfo=UTC)
    users = [f"u{n}" for n in range(1_099, -1, -1)]
    assert user_figures(engine, users, popular=(), before=late)["events"].tolist() == [1] * 1_100
    assert user_figures(engine, [], popular=(), before=late).empty
    with pytest.raises(NaiveMoment):
        user_figures(engine, users, popular=(), before=datetime(2100, 1, 1))
