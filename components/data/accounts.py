"""The accounts of the batches, as they lie: their chain, and whether every row that was set aside is still there."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Engine, func, select

from components.artifact import digest_of
from components.data.chain import FIX, Chain, LedgerBroken, append_entry, checked_chain
from components.data.moments import Clock, to_micros, utc_now
from components.data.quarantine import set_states
from components.data.schema import batches, quarantine
from components.data.seals import is_as_written
from components.data.warehouse import reading, writing

_COUNTED = ("received", "accepted", "quarantined", "duplicates", "items_received", "items_new", "items_updated",
            "items_unchanged", "items_quarantined", "late")  # fmt: skip
_NAMED = 3  # batches, in a message


@dataclass(frozen=True, kw_only=True)
class _Loss:
    """A batch whose rows in quarantine are not as many as its landing counted."""

    batch_id: int
    counted: int
    there: int


def checked_accounts(engine: Engine) -> Chain:
    """Follow the chain of the batches, and look at every row in quarantine. Raises LedgerBroken."""
    with reading(engine) as connection:
        chain = checked_chain(connection, batches)
        _check_quarantine(connection)
        return chain


def accept_batches(engine: Engine, why: str, *, now: Clock = utc_now) -> str:
    """Take batches and quarantine as they lie; what was wrong with them, "" if nothing was, and nothing is done.

    A stopped batch of no rows accepts all before it, its digest the losses of the quarantine; rows that are others
    are sealed as they are.
    """
    with writing(engine, "ingest") as connection:
        try:
            checked_chain(connection, batches)
            _check_quarantine(connection)
        except LedgerBroken as error:
            set_states(connection, _changed(connection), {})
            source = connection.execute(select(batches.c.source).limit(1)).scalar() or ""
            row = dict.fromkeys(_COUNTED, 0) | {"source": source, "state": "stopped", "data_docs": ""}
            row |= {"why": f"accepted: {why}. {error}", "landed_at": (at := to_micros(now()))}
            row |= {"digest": _digest_of(_losses(connection), at)}
            append_entry(connection, batches, row, is_accepting=True)
            return str(error)
    return ""


def _check_quarantine(connection: Connection) -> None:
    told = []
    if (losses := _losses(connection)) and not _are_accepted(connection, losses):
        told += [
            f"batch {loss.batch_id} set {loss.counted:,} rows aside, and {loss.there:,} are there"
            for loss in losses[:_NAMED]
        ]
    if changed := _changed(connection):
        told += [f"row {changed[0]} is another{f', and {len(changed) - 1:,} more' if changed[1:] else ''}"]
    if told:
        raise LedgerBroken(f"the quarantine is not what was written: {'; '.join(told)}. {FIX}")


def _losses(connection: Connection) -> list[_Loss]:
    counted = batches.c.quarantined + batches.c.items_quarantined
    there = func.count(quarantine.c.id)
    query = (
        select(batches.c.batch_id, counted, there)
        .outerjoin(quarantine, quarantine.c.batch_id == batches.c.batch_id)
        .where(batches.c.state == "landed")
        .group_by(batches.c.batch_id)
        .having(counted != there)
        .order_by(batches.c.batch_id)
    )
    return [_Loss(batch_id=row[0], counted=row[1], there=row[2]) for row in connection.execute(query)]


def _digest_of(losses: list[_Loss], at: int) -> str:
    return digest_of({"accepted_at": at, "losses": [asdict(loss) for loss in losses]})


def _are_accepted(connection: Connection, losses: list[_Loss]) -> bool:
    """Whether a batch that accepted says just these: its digest is held by the chain."""
    stopped = select(batches.c.landed_at, batches.c.digest).where(batches.c.state == "stopped")
    return any(_digest_of(losses, at) == digest for at, digest in connection.execute(stopped))


def _changed(connection: Connection) -> list[int]:
    """Ids of rows that are not what was written."""
    rows = connection.execute(select(quarantine).order_by(quarantine.c.id)).mappings()
    return [row["id"] for row in rows if not is_as_written(quarantine, row)]
