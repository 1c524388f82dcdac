from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, insert, update
from sqlalchemy.exc import IntegrityError

from components.data.alpha import AlphaEntry, alpha_entries, foresee_alpha, record_verdict, spend_alpha
from components.data.schema import alpha_ledger as table
from components.data.warehouse import open_warehouse, writing

SHARES = (0.015, 0.01)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


def spend(engine: Engine, challenger: str, window: str = "w") -> AlphaEntry:
    return spend_alpha(engine, window=window, challenger=challenger, shares=SHARES, profile="p")


def test_each_new_challenger_gets_the_next_share_and_the_last_get_none(engine: Engine):
    found = [spend(engine, name) for name in ("a", "b", "c", "d")]
    assert [entry.attempt for entry in found] == [1, 2, 3, 4]
    assert [entry.alpha_one_sided for entry in found] == [0.015, 0.01, 0, 0]


def test_the_same_challenger_spends_nothing_again(engine: Engine):
    first = spend(engine, "a")
    spend(engine, "b")
    assert spend(engine, "a") == first
    assert len(alpha_entries(engine, "w")) == 2


def test_windows_do_not_share_their_alpha(engine: Engine):
    assert [spend(engine, "a", window).attempt for window in ("w", "v")] == [1, 1]


def test_a_verdict_stands_beside_what_was_spent_once_a_replay(engine: Engine):
    spent = spend(engine, "a")
    for replay in ("r1", "r1", "r2"):
        record_verdict(engine, spent, profile="p", verdict="HOLD", replay=replay)
    entries = alpha_entries(engine, "w")
    assert [(e.entry, e.verdict, e.replay) for e in entries] == [
        ("spent", None, None), ("judged", "HOLD", "r1"), ("judged", "HOLD", "r2"),
    ]  # fmt: skip
    assert {(e.challenger_digest, e.attempt, e.alpha_one_sided) for e in entries} == {("a", 1, 0.015)}
    assert spend(engine, "b").attempt == 2  # verdicts are no attempts


def test_challengers_at_the_same_time_get_different_shares(engine: Engine):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: spend(engine, f"c{n}").attempt, range(8)))
    assert sorted(found) == list(range(1, 9))


@pytest.mark.parametrize("statement", [update(table).values(alpha_one_sided=0), delete(table)])
def test_what_was_spent_does_not_come_back(engine: Engine, statement):
    spend(engine, "a")
    with pytest.raises(IntegrityError, match="append-only"), writing(engine, "alpha") as connection:
        connection.execute(statement)
    assert spend(engine, "a").alpha_one_sided == 0.015


def test_a_judged_entry_without_a_verdict_is_refused(engine: Engine):
    row = {
        "window_digest": "w",
        "challenger_digest": "a",
        "attempt": 1,
        "alpha_one_sided": 0,
        "profile": "p",
        "at": 0,
    }
    with pytest.raises(IntegrityError, match="only_what_was_judged"), writing(engine, "alpha") as connection:
        connection.execute(insert(table).values(row | {"entry": "judged", "entry_hash": "h"}))


def test_what_is_foreseen_is_what_is_then_given_and_nothing_is_written(engine: Engine):
    def foresee(challenger: str) -> tuple[int, float]:
        found = foresee_alpha(engine, window="w", challenger=challenger, shares=SHARES, profile="p")
        return found.attempt, found.alpha_one_sided

    assert foresee("a") == (1, 0.015)
    assert alpha_entries(engine, "w") == []
    spend(engine, "a")
    spend(engine, "b")
    assert [foresee(name) for name in ("a", "b", "c")] == [(1, 0.015), (2, 0.01), (3, 0)]
    assert len(alpha_entries(engine, "w")) == 2
