from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from components.data import journal
from components.data.cycles import cycles, record_cycle
from components.data.moments import NaiveMoment
from components.data.warehouse import open_warehouse

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Part:
    n: tuple[int | float | str | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a stage gave."""

    path: str
    at: datetime = NOW
    loss: float = 0.5
    nested: Part = Part()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


def finish(engine: Engine, key: str, output: object, *, run: str = "r1", minutes: int = 0) -> None:
    now = NOW + timedelta(minutes=minutes)
    costs = {"seconds": 1.5, "peak_mb": 200.0}
    journal.record(engine, key=key, stage="fit", output=output, run=run, now=lambda: now, **costs)


def test_what_was_recorded_is_found_under_its_key_only(engine: Engine):
    output = Given(path="d", nested=Part(n=(1, 2.5, None, "🎬")))
    finish(engine, "k1", output)
    assert journal.find(engine, "k1", Given) == output
    assert journal.find(engine, "k2", Given) is None


def test_an_entry_of_another_type_counts_as_none(engine: Engine):
    finish(engine, "k1", Part(n=(1,)))
    assert journal.find(engine, "k1", Given) is None


def test_the_last_entry_of_a_key_stands(engine: Engine):
    finish(engine, "k1", Given(path="lost"))
    finish(engine, "k1", Given(path="anew"), run="r2")
    assert journal.find(engine, "k1", Given) == Given(path="anew")
    assert [entry.output["path"] for entry in journal.stages_of(engine, "r2")] == ["anew"]
    assert journal.stages_of(engine, "r1") == []


def test_stages_of_a_run_come_in_the_order_they_ended(engine: Engine):
    finish(engine, "b", Part(), minutes=2)
    finish(engine, "c", Part(), minutes=1)
    finish(engine, "a", Part(), run="other")
    entries = journal.stages_of(engine, "r1")
    assert [entry.key for entry in entries] == ["c", "b"]
    assert (entries[0].stage, entries[0].seconds, entries[0].peak_mb) == ("fit", 1.5, 200.0)
    assert entries[0].finished_at == NOW + timedelta(minutes=1)


@pytest.mark.parametrize("output", [Given(path="x", loss=float("nan")), Part(n=(object(),))])  # type: ignore[arg-type]
def test_an_output_that_is_not_json_is_refused(engine: Engine, output: object):
    with pytest.raises((TypeError, ValueError)):
        finish(engine, "k1", output)
    assert journal.find(engine, "k1", type(output)) is None


def test_cycles_come_by_as_of_and_the_same_one_stands_once(engine: Engine):
    def note(cycle_id: str, days: int, verdict: str) -> None:
        record_cycle(
            engine,
            cycle_id=cycle_id,
            as_of=NOW + timedelta(days=days),
            train_cutoff=NOW,
            verdict=verdict,
            versions={"champion": None, "challenger": "1"},
            summary={"ndcg": 0.1},
        )

    note("c2", 2, "HOLD")
    note("c1", 1, "INVALID")
    note("c1", 1, "PROMOTE")
    found = cycles(engine)
    assert [(c.cycle_id, c.verdict, c.as_of - NOW) for c in found] == [
        ("c1", "PROMOTE", timedelta(days=1)),
        ("c2", "HOLD", timedelta(days=2)),
    ]
    assert (found[0].versions, found[0].summary) == ({"champion": None, "challenger": "1"}, {"ndcg": 0.1})


def test_a_cycle_of_a_moment_without_a_zone_is_refused(engine: Engine):
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(NaiveMoment):
        record_cycle(
            engine, cycle_id="c", as_of=naive, train_cutoff=NOW, verdict="HOLD", versions={}, summary={}
        )
