"""PostgreSQL as the warehouse, cut off at a statement."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from components.artifact import publish
from components.data import journal
from components.data.alpha import spend_alpha
from components.data.outage import is_outage
from components.data.recommendations import publish_run, write_lists
from components.data.snapshot import take_snapshot
from components.data.warehouse import Engine, WarehouseUnreachable, open_warehouse
from tests.data.landing import at, bad, batch, event, item
from tests.data.test_pruning import Gave
from tests.data.test_recommendations import lists, run_of
from tests.faults import killed_registry
from tests.faults.child import done, import_once
from tests.faults.cut_off import Call, Point, Service
from tests.faults.home import OF_A_CLOCK, changed_behind, files_of
from tests.faults.killed_worlds import NOW
from tests.faults.wire import Wire
from tests.postgresql import Postgresql, running_postgresql

_HANGS = 40.0  # seconds: nobody waits so long to be let in
_LATE = 4.0  # a statement may take long, and does where another one writes
# a transaction that is rolled back leaves a gap in them; that a head fits its chain is asked of the chain
_NUMBERS = {"batch_id", "id", "last_batch", "entry", "last"}


@dataclass(frozen=True, kw_only=True)
class Base:
    """A database of its own, by the road and past it, and a folder."""

    name: str
    port: int
    road: int
    home: Path

    @property
    def url(self) -> str:
        return Postgresql(self.road).url(self.name, "psycopg")

    @property
    def past(self) -> str:
        return Postgresql(self.port).url(self.name)


@contextmanager
def postgresql(scratch: Path, *, short: bool) -> Iterator[Service]:
    """Started, and the worlds laid out. Raises PostgresqlMissing."""
    if not short:
        import_once("components.registry.promotion", "tests.registry.test_promotion", killed_registry.STORE)
    with running_postgresql() as server:
        worlds = _Worlds(server, scratch)
        yield Service(
            name="PostgreSQL", port=server.port, protocol="postgresql",
            calls=worlds.calls(short), points=[point for point in POINTS if not short or point.name in _SHORT],
            is_told=lambda error: isinstance(error, WarehouseUnreachable) and is_outage(error),
            address="postgresql+psycopg://recloop:***@127.0.0.1", secrets=("p@ss", "p%40ss", "w/rd", "w%2Frd"),
            stays=(),
        )  # fmt: skip


POINTS = (
    Point(name="open: connect", call="open", what="^connect", slow=_HANGS),
    Point(name="migrate: a table", call="open", what="CREATE TABLE events", slow=_LATE),
    Point(name="migrate: commit", call="open", what="^COMMIT .*CREATE TABLE", slow=_LATE),
    Point(name="land: the batch", call="land", what="INSERT INTO batches", slow=_LATE),
    Point(name="land: events by COPY", call="land", what='^COPY "events"', slow=_LATE),
    Point(name="land: commit", call="land", what="^COMMIT .*INSERT INTO batches", slow=_LATE),
    Point(name="snapshot: events read", call="snapshot", what="FROM events", slow=_LATE),
    Point(name="journal: commit", call="journal", what="^COMMIT .*INSERT INTO stage_journal", slow=_LATE),
    Point(name="alpha: commit", call="alpha", what="^COMMIT .*INSERT INTO alpha_ledger", slow=_LATE),
    Point(name="lists: commit", call="lists", what="^COMMIT .*recommendations", slow=_LATE),
    Point(name="lease: commit of taking it", call="lease", what="^COMMIT .*INSERT INTO leases", slow=_LATE),
    Point(
        name="lease: commit of giving it back", call="lease", what="^COMMIT .*UPDATE leases", at=2, slow=_LATE
    ),
    Point(
        name="promote: commit of its lease", call="promote", what="^COMMIT .*INSERT INTO leases", slow=_LATE
    ),
    Point(
        name="promote: commit of the ledger",
        call="promote",
        what="^COMMIT .*INSERT INTO promotions",
        slow=_LATE,
    ),
)
_SHORT = ("land: commit", "lease: commit of giving it back")


class _Worlds:
    """Templates that the databases of strikes are copied from."""

    def __init__(self, server: Postgresql, scratch: Path) -> None:
        self.server, self.scratch = server, scratch

    def calls(self, short: bool) -> dict[str, Call]:
        self.server.new("opened")
        done(partial(_opened, self.server.url("opened", "psycopg")))
        calls = {
            "land": Call(fresh=partial(self.copy, "opened"), work=_land, seen=_seen),
            "lease": Call(fresh=partial(self.copy, "opened"), work=_hold, seen=_seen),
        }
        if short:
            return calls
        self.server.new("landed", like="opened")
        done(partial(_landed, self.server.url("landed", "psycopg")))
        self.server.new("released", like="opened")
        done(partial(_two_versions, self.server.url("released", "psycopg"), self.scratch / "released"))
        works = {"journal": _record, "alpha": _spend, "lists": _list}
        return calls | {
            "open": Call(fresh=partial(self.copy, "template0"), work=_open, seen=_seen),
            "snapshot": Call(fresh=partial(self.copy, "landed"), work=_snapshot, seen=_seen),
            "promote": Call(fresh=partial(self.copy, "released"), work=_promote, seen=_seen_of_release),
            **{
                name: Call(fresh=partial(self.copy, "opened"), work=work, seen=_seen)
                for name, work in works.items()
            },
        }

    def copy(self, template: str, wire: Wire, name: str) -> Base:
        self.server.new(name, like=template)
        home = self.scratch / name
        if (saved := self.scratch / template).exists():
            shutil.copytree(saved, home)
        home.mkdir(parents=True, exist_ok=True)
        return Base(name=name, port=self.server.port, road=wire.port, home=home)


# --- what is done ---------------------------------------------------------------------------------------


def _engine(base: Base) -> Engine:
    """One a process, as the flows have it."""
    if base.url not in _engines:
        _engines[base.url] = open_warehouse(base.url)
    return _engines[base.url]


_engines: dict[str, Engine] = {}


def _opened(url: str) -> None:
    open_warehouse(url).dispose()


def _landed(url: str) -> None:
    from components.data.ingest import land_batch

    engine = open_warehouse(url)
    rows = [event(f"e{n}", user=f"u{n % 7}", item=f"i{n % 5}", hours=24 * n) for n in range(45)]
    land_batch(engine, batch(*rows, items=(item("i1", "One"),)), now=lambda: NOW)
    engine.dispose()


def _open(base: Base) -> None:
    open_warehouse(base.url).dispose()


def _land(base: Base) -> None:
    from components.data.ingest import land_batch

    rows = [event(f"e{n}", user=f"u{n % 7}", item=f"i{n % 5}", hours=n / 4) for n in range(60)]
    told = tuple(item(f"i{n}", f"Item {n}") for n in range(5))
    land_batch(_engine(base), batch(*rows, items=told, quarantined=(bad("x"),)), now=lambda: NOW)


def _snapshot(base: Base) -> None:
    take_snapshot(_engine(base), base.home / "artifacts", end=at(24 * 45), now=lambda: NOW)


def _record(base: Base) -> None:
    def write(folder: Path) -> None:
        (folder / "one.txt").write_text("1")

    ref = publish(base.home / "artifacts", "lists", write, parents={}, config={})
    gave = Gave(ref=ref)
    journal.record(_engine(base), key="k", stage="s", output=gave, seconds=0, peak_mb=0, run="r")
    assert journal.find(_engine(base), "k", Gave) == gave


def _spend(base: Base) -> None:
    entry = spend_alpha(_engine(base), window="w", challenger="c", shares=(0.02, 0.01), profile="p")
    assert (entry.attempt, entry.alpha_one_sided) == (1, 0.02)


def _list(base: Base) -> None:
    write_lists(_engine(base), run_of("3"), lists("u0", "u1", "u2"))
    publish_run(_engine(base), "run-3", now=lambda: NOW)


def _hold(base: Base) -> None:
    from components.data.lease import hold_lease, this_process

    with hold_lease(_engine(base), "retraining", owner=this_process()) as lease:
        lease.ensure_held()


def _two_versions(url: str, home: Path) -> None:
    from tests.registry.conftest import tagged_version
    from tests.registry.test_promotion import ask

    def prepare(_: Path) -> None:
        engine = open_warehouse(url)
        for _version in range(2):
            tagged_version(killed_registry.MODEL)
        ask(engine, killed_registry.MODEL, "1", None)
        engine.dispose()

    home.mkdir(parents=True)
    killed_registry.configured(prepare, home)


def _promote(base: Base) -> None:
    from tests.registry.test_promotion import ask

    killed_registry.configured(lambda _: ask(_engine(base), killed_registry.MODEL, "2", "1"), base.home)


# --- what stands there ----------------------------------------------------------------------------------


def _seen(base: Base) -> dict[str, Any]:
    """Rows of every table past the road, and published files; every hash fits."""
    engine = open_warehouse(Postgresql(base.port).url(base.name, "psycopg"))
    assert not (changed := changed_behind(engine)), changed
    engine.dispose()
    return _rows(base) | {"files": files_of(base.home, "artifacts")}


def _rows(base: Base) -> dict[str, Any]:
    import psycopg

    without = OF_A_CLOCK | _NUMBERS
    with psycopg.connect(base.past) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        found = {}
        for (name,) in names:
            cursor = connection.execute(f'SELECT * FROM "{name}"')
            columns = [column.name for column in cursor.description or ()]
            rows = [{k: v for k, v in zip(columns, row, strict=True) if k not in without} for row in cursor]
            found[name] = sorted(
                json.dumps(row, sort_keys=True, default=str).replace(str(base.home), "") for row in rows
            )
        return found


def _seen_of_release(base: Base) -> dict[str, Any]:
    told: dict[str, Any] = {}
    engine = open_warehouse(Postgresql(base.port).url(base.name, "psycopg"))
    killed_registry.configured(lambda _: told.update(killed_registry.seen(engine)), base.home)
    return told
