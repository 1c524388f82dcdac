"""Leases: the right to do something alone, for as long as its holder shows that it lives.

A lease is a row with an expiry that a thread of the holder keeps moving. A holder that dies stops moving it,
and the next one takes over: at once if the dead process was of this machine, else when the lease runs out.
Every holder gets a larger fencing number, so work of a holder that slept through its expiry can be told from
the work of the one who followed.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil
from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from components.data.moments import Clock, from_micros, to_micros, utc_now
from components.data.schema import leases
from components.data.warehouse import WarehouseUnreachable, reading, writing

_Key = tuple[str, str, str, int]  # warehouse, owner, name, fence
_held_here: set[_Key] = set()  # what this process holds
_SAME_START_SECONDS = 2.0  # a process's start is told relative to the boot, and the clock may be set


class LeaseHeld(Exception):
    """Somebody else is doing this now: names who, since when, and until when at most."""


class LeaseLost(Exception):
    """The lease ran out and went to somebody else: what follows must not be done."""


@dataclass(frozen=True, kw_only=True)
class LeaseRecord:
    """A lease as it stands in the warehouse."""

    name: str
    owner: str
    fence: int
    acquired_at: datetime
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A lease that this process took."""

    engine: Engine
    name: str
    owner: str
    fence: int
    ttl_seconds: float
    now: Clock

    @property
    def key(self) -> _Key:
        """What names it among all that this process may hold."""
        return _key(self.engine, self.owner, self.name, self.fence)

    @property
    def _mine(self) -> tuple[ColumnElement[bool], ...]:
        """The row, while it is this holder's: where it was lost or set back, another may have the same number."""
        return leases.c.name == self.name, leases.c.fence == self.fence, leases.c.owner == self.owner

    def ensure_held(self) -> None:
        """Renew the lease. Call before a step that only the holder may take. Raises LeaseLost."""
        with writing(self.engine, "lease") as connection:
            expires_at = to_micros(self.now()) + round(self.ttl_seconds * 1e6)
            if (
                connection.execute(update(leases).where(*self._mine).values(expires_at=expires_at)).rowcount
                == 1
            ):
                return
            taker = _row(connection, self.name)
        raise LeaseLost(
            f"lease {self.name!r} (fence {self.fence}) of {self.owner} ran out, and "
            f"{'nobody' if taker is None else taker['owner']} holds it now. This run stops before it does "
            "harm; what it finished is in the journal, so start it again."
        )

    def give_back(self) -> None:
        """Let the next one in; nothing, if the lease has gone to somebody else already."""
        with writing(self.engine, "lease") as connection:
            connection.execute(update(leases).where(*self._mine).values(expires_at=None))


def this_process() -> str:
    """An owner's name that a later process on this machine can tell to be dead: host:pid:start."""
    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time():.2f}"


def is_dead_here(owner: str) -> bool:
    """Whether this owner, by `this_process`, was a process of this machine that no longer runs."""
    written_so = re.fullmatch(r"(.+):(\d+):([\d.]+)", owner)
    if written_so is None or written_so[1] != socket.gethostname():
        return False
    try:
        started = psutil.Process(int(written_so[2])).create_time()
    except psutil.NoSuchProcess:
        return True
    return abs(started - float(written_so[3])) > _SAME_START_SECONDS  # its number went to another process


@contextmanager
def hold_lease(
    engine: Engine, name: str, *, owner: str, ttl_seconds: float = 60, now: Clock = utc_now
) -> Iterator[Lease]:
    """Hold the lease while the block runs; a thread renews it three times per `ttl_seconds`.

    Raises LeaseHeld if another owner holds it: one that is not past its expiry, and not a process of this
    machine that has died.
    """
    lease = _take(engine, name, owner, ttl_seconds, now)
    done = threading.Event()
    beat = threading.Thread(target=_renew, args=(lease, done), name=f"lease-{name}", daemon=True)
    beat.start()
    try:
        yield lease
    finally:
        done.set()
        beat.join()
        try:
            lease.give_back()
        finally:
            _held_here.discard(lease.key)


def refuse_if_held(engine: Engine, name: str, *, now: Clock = utc_now) -> None:
    """Raise LeaseHeld, as a taker would, if somebody holds this lease now. Takes nothing."""
    with reading(engine) as connection:
        row = _row(connection, name)
    if row is not None and row["expires_at"] is not None and not _is_over(engine, row, to_micros(now())):
        raise LeaseHeld(_who_holds(row))


def stale_leases(engine: Engine, *, now: Clock = utc_now) -> list[LeaseRecord]:
    """Leases whose holder never gave them back: expired, or of a dead process. The next taker clears them."""
    with reading(engine) as connection:
        rows = connection.execute(
            select(leases).where(leases.c.expires_at.is_not(None)).order_by(leases.c.name)
        ).mappings()
        return [_record(row) for row in rows if _is_over(engine, row, to_micros(now()))]


def _take(engine: Engine, name: str, owner: str, ttl_seconds: float, now: Clock) -> Lease:
    mine: _Key | None = None
    try:
        with writing(engine, "lease") as connection:
            at = to_micros(now())
            row = _row(connection, name)
            if row is not None and row["expires_at"] is not None and not _is_over(engine, row, at):
                raise LeaseHeld(_who_holds(row))
            fence = 1 if row is None else row["fence"] + 1
            mine = _key(engine, owner, name, fence)
            _held_here.add(mine)  # before it is there to be seen
            connection.execute(delete(leases).where(leases.c.name == name))
            taken = {"name": name, "owner": owner, "fence": fence, "acquired_at": at}
            taken["expires_at"] = at + round(ttl_seconds * 1e6)
            connection.execute(insert(leases).values(taken))
    except BaseException:
        if mine is not None:
            _held_here.discard(mine)
        raise
    return Lease(engine=engine, name=name, owner=owner, fence=fence, ttl_seconds=ttl_seconds, now=now)


def _renew(lease: Lease, done: threading.Event) -> None:
    """Move the expiry until told to stop, or until the lease is no longer ours (`ensure_held` tells)."""
    while not done.wait(lease.ttl_seconds / 3):
        try:
            lease.ensure_held()
        except LeaseLost:
            return
        except (DBAPIError, WarehouseUnreachable):
            continue  # the database is away for a moment: the lease stands until its expiry, try again


def _row(connection: Connection, name: str) -> RowMapping | None:
    return connection.execute(select(leases).where(leases.c.name == name)).mappings().one_or_none()


def _who_holds(row: RowMapping) -> str:
    held = _record(row)
    return (
        f"{held.name!r} is held by {held.owner} since {held.acquired_at:%Y-%m-%d %H:%M:%S} UTC. Wait for "
        f"it to end; if it has died, the lease is free at {held.expires_at:%H:%M:%S} UTC."
    )


def _record(row: RowMapping) -> LeaseRecord:
    times = {at: from_micros(row[at]) for at in ("acquired_at", "expires_at")}
    return LeaseRecord(**{**row, **times})


def _is_over(engine: Engine, row: RowMapping, at: int) -> bool:
    return row["expires_at"] <= at or is_dead_here(row["owner"]) or _is_forgotten_here(engine, row)


def _key(engine: Engine, owner: str, name: str, fence: int) -> _Key:
    return _database(engine), owner, name, fence


def _database(engine: Engine) -> str:
    """One name for a database, however its address is written."""
    path = engine.url.database
    if engine.url.get_backend_name() == "sqlite" and path:
        return str(Path(path).resolve())
    return engine.url.render_as_string()


def _is_forgotten_here(engine: Engine, row: RowMapping) -> bool:
    """Whether this very process took it and does not hold it: the reply to taking or giving back was lost.

    Such a lease is nobody's, and would else stand in this process's own way until it expires.
    """
    is_ours = _key(engine, row["owner"], row["name"], row["fence"]) in _held_here
    return not is_ours and row["owner"] == this_process()
