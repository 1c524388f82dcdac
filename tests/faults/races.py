"""Processes at once on one warehouse: what they leave is what one of them alone would have left."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from components.artifact import digest_of
from components.data.batch import CheckedBatch
from components.data.ingest import land_batch
from components.data.lease import LeaseHeld, hold_lease
from components.data.ledger import append_promotion, current_champion, promotions
from components.data.warehouse import open_warehouse, reading
from tests.data.landing import batch, event, item
from tests.faults import races_readers
from tests.faults.child import done
from tests.faults.fault import Fault, LeftOut, Outcome
from tests.faults.home import rows_of, warehouse_of
from tests.faults.races_retraining import retrainings

KIND = "races"
_PATIENCE = 600.0  # seconds
_WHOLE = "each read is whole, old or new, or refused by name"
_fork = multiprocessing.get_context("fork")


def _on_sqlite(scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    writers, batches = (3, 8) if short else (8, 200)
    rounds = 10 if short else 200
    races: list[tuple[str, str, str, Callable[[], Outcome]]] = [
        (f"{writers} writers × {batches} overlapping batches", "land_batch", "the events of one writer alone",
         partial(_writers, scratch / "writers", writers, batches, seed)),
        (f"{rounds} rounds of two promoters", "lease and ledger", "one winner a round, and an unbroken chain",
         partial(_promoters, scratch / "promoters", rounds)),
    ]  # fmt: skip
    for round_ in range(1 if short else 4):
        cold = partial(_cold_starts, scratch / f"cold{round_}")
        races.append(
            (f"four cold starts, {round_ + 1}", "open_warehouse", "every one opens, one schema", cold)
        )
    races += [
        ("a reader while users are erased", "read_events, read_items, open_bundle, lists_of", _WHOLE,
         partial(races_readers.erasing, scratch / "erased", 8)),
        ("a reader while artifacts are pruned", "read_events, read_items, open_bundle, lists_of", _WHOLE,
         partial(races_readers.pruning, scratch / "pruned", 8)),
    ] if not short else []  # fmt: skip
    for name, where, holds, strike in races:
        yield Fault(kind=KIND, name=name, where=where, holds=holds, strike=strike)
    if not short:
        yield Fault(
            kind=KIND, name="40 rounds of two promoters", where="promote, MLflow's alias too",
            holds="one winner a round, alias and ledger agree",
            strike=partial(_raced_registry, scratch / "registry", 40),
        )  # fmt: skip


def _retrainings(scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    del seed
    if not short:
        yield Fault(
            kind=KIND, name="8 retrainings on one home", where="recloop retrain",
            holds="one trains to its end, seven are refused by name",
            strike=partial(retrainings, scratch, 8),
        )  # fmt: skip


# --- writers --------------------------------------------------------------------------------------------


def _told(writer: int, number: int, seed: int) -> CheckedBatch:
    """20 of 2,000 events, whose payload follows from their id; every batch overlaps others, of other writers too."""
    chance = random.Random(f"{seed} {writer} {number}")  # noqa: S311
    ids = chance.sample(range(2_000), 20)
    rows = [event(f"e{n}", user=f"u{n % 50}", item=f"i{n % 9}", hours=n / 10) for n in ids]
    return batch(*rows, items=(item("i1", "One", available_hours=0),))


def _write(home: Path, writers: list[int], batches: int, seed: int) -> None:
    engine = warehouse_of(home)
    for writer in writers:
        for number in range(batches):
            result = land_batch(engine, _told(writer, number, seed))
            assert result.accepted + result.duplicates == result.received == 20


def _writers(folder: Path, writers: int, batches: int, seed: int) -> Outcome:
    together, alone = folder / "together", folder / "alone"
    for home in (together, alone):
        home.mkdir(parents=True)
    codes = _at_once([partial(_write, together, [writer], batches, seed) for writer in range(writers)])
    done(partial(_write, alone, list(range(writers)), batches, seed))
    wrong = [f"writer {n} ended with {code}" for n, code in enumerate(codes) if code != 0]
    ours, theirs = rows_of(together, without=("batch_id",)), rows_of(alone, without=("batch_id",))
    for table in ("events", "items", "quarantine"):
        if (one := digest_of(ours[table])) != (other := digest_of(theirs[table])):
            wrong.append(f"{table} are {one[:12]}…, and {other[:12]}… of one writer alone")
    landed = len(ours["batches"])
    return Outcome(fired=landed == writers * batches, violations=tuple(wrong))


# --- promoters ------------------------------------------------------------------------------------------


def _promote(home: Path, name: str, rounds: int, together: Any) -> None:
    engine = warehouse_of(home)
    for number in range(rounds):
        expected = current_champion(engine, "m")
        together.wait(_PATIENCE)
        _contend(engine, f"{name}{number}", expected)
        together.wait(_PATIENCE)


def _contend(engine: Any, version: str, expected: str | None) -> None:
    """Compare and move under the lease, as `promote` does."""
    while True:
        try:
            with hold_lease(engine, "promotion:m", owner=version):
                if current_champion(engine, "m") == expected:
                    append_promotion(
                        engine, action="promote", model="m", version=version, previous_version=expected,
                        expected_version=expected, verdict="PROMOTE", actor=version, reason="race", evidence={},
                    )  # fmt: skip
                return
        except LeaseHeld:
            continue


def _promoters(folder: Path, rounds: int) -> Outcome:
    folder.mkdir(parents=True)
    done(lambda: warehouse_of(folder) and None)
    together = _fork.Barrier(2)
    codes = _at_once([partial(_promote, folder, name, rounds, together) for name in "ab"])
    entries = done(lambda: [[e.previous_version, e.version] for e in promotions(warehouse_of(folder), "m")])
    wrong = [f"promoter {n} ended with {code}" for n, code in enumerate(codes) if code != 0]
    if len(entries) != rounds:
        wrong.append(f"{len(entries)} moves in {rounds} rounds")
    if [previous for previous, _ in entries] != [None, *(version for _, version in entries[:-1])]:
        wrong.append("the chain of champions is broken")
    return Outcome(fired=bool(entries), violations=tuple(wrong))


def _raced_registry(folder: Path, rounds: int) -> Outcome:
    """The test of the registry's race, at length."""
    done(partial(_race_registry, folder, rounds))
    return Outcome(fired=True)


def _race_registry(folder: Path, rounds: int) -> None:
    import os

    from mlflow import MlflowClient

    from components.registry import tracking
    from components.registry.drift import drift_of_alias
    from components.registry.versions import aliases
    from tests.registry import test_race
    from tests.registry.conftest import tagged_version

    folder.mkdir(parents=True)
    os.environ["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = "NullPool"
    uri = f"sqlite:///{folder}/mlflow.db"
    MlflowClient(uri).create_experiment("recloop", artifact_location=str(folder / "artifacts"))
    tracking.configure(uri)
    warehouse_of(folder).dispose()
    lanes = [[tagged_version(test_race.MODEL).version for _ in range(rounds)] for _ in range(2)]
    together, url = _fork.Barrier(2), f"sqlite:///{folder}/warehouse.db"
    _, tell = _fork.Pipe(duplex=False)
    assert _at_once([partial(test_race.contend, url, lane, together, tell) for lane in lanes]) == [0, 0]
    engine = warehouse_of(folder)
    entries = promotions(engine, test_race.MODEL)
    assert len(entries) == rounds, f"{len(entries)} moves in {rounds} rounds"
    assert [e.previous_version for e in entries] == [None, *(e.version for e in entries[:-1])]
    assert aliases(test_race.MODEL) == {"champion": entries[-1].version}
    assert drift_of_alias(engine, test_race.MODEL).state == "agree"


# --- cold starts ----------------------------------------------------------------------------------------


def _cold_starts(folder: Path) -> Outcome:
    folder.mkdir(parents=True)
    codes = _at_once([partial(_open_and_land, folder, n) for n in range(4)])
    wrong = [f"process {n} ended with {code}" for n, code in enumerate(codes) if code != 0]
    connection = sqlite3.connect(folder / "warehouse.db")
    at_head = connection.execute("SELECT count(*) FROM alembic_version").fetchone()[0]
    connection.close()
    if at_head != 1:
        wrong.append(f"the schema says {at_head} times where it stands")
    if (landed := len(rows_of(folder)["events"])) != 4:
        wrong.append(f"{landed} of 4 events landed")
    return Outcome(fired=True, violations=tuple(wrong))


def _open_and_land(home: Path, number: int) -> None:
    land_batch(warehouse_of(home), batch(event(f"e{number}", hours=number)))


def _on_postgresql(scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    """Cold starts on a real one; nothing where none can be started."""
    del scratch, seed
    if short:
        return
    from tests.postgresql import Postgresql, PostgresqlMissing, running_postgresql

    def strike(server: Postgresql, name: str) -> Outcome:
        server.new(name)
        url = server.url(name, "psycopg")
        codes = _at_once([partial(_land_at, url, n) for n in range(4)])
        wrong = [f"process {n} ended with {code}" for n, code in enumerate(codes) if code != 0]
        at_head, landed = done(partial(_standing, url))
        if (at_head, landed) != (1, 4):
            wrong.append(f"the schema says {at_head} times where it stands, and {landed} of 4 events landed")
        return Outcome(fired=True, violations=tuple(wrong))

    try:
        with running_postgresql() as server:
            for number in range(3):
                yield Fault(
                    kind=KIND, name=f"four cold starts, {number + 1}", where="open_warehouse, PostgreSQL",
                    holds="every one opens, one schema", strike=partial(strike, server, f"cold{number}"),
                )  # fmt: skip
    except PostgresqlMissing as missing:
        raise LeftOut(f"cold starts on PostgreSQL: {missing}") from missing


def _land_at(url: str, number: int) -> None:
    land_batch(open_warehouse(url), batch(event(f"e{number}", hours=number)))


def _standing(url: str) -> list[int]:
    from sqlalchemy import text

    tables = ("alembic_version", "events")
    with reading(open_warehouse(url)) as connection:
        return [connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in tables]


def _at_once(works: list[Callable[[], object]]) -> list[int | None]:
    """Exit codes of processes that were begun together."""
    processes = [_fork.Process(target=work) for work in works]
    for process in processes:
        process.start()
    for process in processes:
        process.join(_PATIENCE)
    codes = [process.exitcode for process in processes]  # None: it hangs
    for process in processes:
        process.kill()
    return codes


PARTS = {"SQLite": _on_sqlite, "retrainings": _retrainings, "cold starts on PostgreSQL": _on_postgresql}
