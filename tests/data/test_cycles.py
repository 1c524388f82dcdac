"""Cycles on record: in order of the time they speak of, replaced when run again, and JSON throughout."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Engine

from components.data.cycles import Cycle, cycles, record_cycle
from components.data.moments import NaiveMoment
from components.data.warehouse import open_warehouse

RECORDED = datetime(2024, 6, 1, 12, 0, 0, 5, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


def _record(engine: Engine, cycle_id: str, year: int, **changes) -> None:
    fields = {
        "as_of": datetime(year, 1, 1, tzinfo=UTC),
        "train_cutoff": datetime(year - 1, 1, 1, tzinfo=UTC),
        "verdict": "HOLD",
        "versions": {"champion": None, "challenger": "3"},
        "summary": {"told": {"a": [1, 2.5]}},
        "now": lambda: RECORDED,
    }
    record_cycle(engine, cycle_id=cycle_id, **fields | changes)


def test_a_cycle_comes_back_whole(engine: Engine):
    _record(engine, "c", 2020)
    assert cycles(engine) == [
        Cycle(
            cycle_id="c",
            as_of=datetime(2020, 1, 1, tzinfo=UTC),
            train_cutoff=datetime(2019, 1, 1, tzinfo=UTC),
            verdict="HOLD",
            versions={"champion": None, "challenger": "3"},
            summary={"told": {"a": [1, 2.5]}},
            recorded_at=RECORDED,
        )
    ]


def test_they_stand_in_the_order_of_what_they_speak_of(engine: Engine):
    """Recorded 2021, 2019, 2020; of one moment in two zones, the one recorded first comes first."""
    for name, year in (("late", 2021), ("early", 2019), ("middle", 2020)):
        _record(engine, name, year)
    same = datetime(2021, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    _record(engine, "again", 2021, as_of=same, now=lambda: RECORDED + timedelta(seconds=1))
    assert [cycle.cycle_id for cycle in cycles(engine)] == ["early", "middle", "late", "again"]


def test_one_or_the_last_few_are_read_without_the_others(engine: Engine):
    for year in (2021, 2019, 2020):
        _record(engine, f"c{year}", year)

    def found(**asked) -> list[str]:
        return [cycle.cycle_id for cycle in cycles(engine, **asked)]

    assert found(last=2) == ["c2020", "c2021"]
    assert found(cycle_id="c2019") == ["c2019"]
    assert found(cycle_id="c") == []
    of_2020 = datetime(2020, 1, 1, tzinfo=UTC)
    assert found(before=of_2020, last=1) == ["c2019"]  # of the moment itself is not before
    assert found(before=datetime(2021, 6, 1, tzinfo=UTC), last=2) == ["c2020", "c2021"]
    with pytest.raises(NaiveMoment):
        found(before=datetime(2020, 1, 1))


def test_the_same_cycle_again_replaces_its_entry(engine: Engine):
    _record(engine, "c", 2020)
    _record(engine, "c", 2020, verdict="PROMOTE")
    assert [cycle.verdict for cycle in cycles(engine)] == ["PROMOTE"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"as_of": datetime(2020, 1, 1)}, NaiveMoment),
        ({"summary": {"x": float("nan")}}, ValueError),
        ({"summary": {"x": object()}}, TypeError),
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_is_lost(engine: Engine, changes, error):
    _record(engine, "c", 2020)
    with pytest.raises(error):
        _record(engine, "c", 2020, **changes)
    assert [cycle.verdict for cycle in cycles(engine)] == ["HOLD"]
