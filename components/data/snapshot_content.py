"""What a snapshot says beside its events: how many users there are, what came late, and the items of the time.

At ten million events it matters which index answers. Those of a user and of an item hold the moment of each event, not
when it was known; so they answer for all but the few whose events became known too late for the cut, and these are
asked for in the table. Time grows with the number of events, memory with users and items of such events, and items.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import Connection, Select, func, select
from sqlalchemy.sql.elements import ColumnElement

from components.data import partitions
from components.data.item_history import DESCRIPTION, descriptions_known_by
from components.data.schema import events

ITEMS = pa.schema(
    {"item_id": pa.string()}
    | {name: pa.string() for name in DESCRIPTION}
    | {"available_at": partitions.MOMENT, "first_event_at": partitions.MOMENT}
)


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Of the events of a cut."""

    users: int
    late: int  # events known later than they happened, and in time for the cut
    left_out: int  # events of the stretch that became known too late for it


def count_within(connection: Connection, from_at: int | None, until_at: int, known_at: int) -> Counted:
    """Figures of the events of [from_at, until_at) that were known by `known_at`."""
    seen = partitions.within(from_at, until_at, known_at)
    late = connection.execute(select(func.count(events.c.known_at)).where(*seen)).scalar_one()
    missed = _left_out(from_at, until_at, known_at)
    left_out = connection.execute(select(func.count()).where(*missed)).scalar_one()
    users = _number_of(connection, select(events.c.user_id).where(*_by_other_index(from_at, until_at)))
    if left_out:
        named = select(events.c.user_id).where(*missed)
        theirs = select(events.c.user_id).where(events.c.user_id.in_(named))
        users -= len(_distinct(connection, named)) - _number_of(connection, theirs.where(*seen))
    return Counted(users=users, late=late, left_out=left_out)


def items_before(connection: Connection, until_at: int, known_at: int) -> pa.Table:
    """The items there were before the cut, by id, as known by then."""
    first_event_at = _first_events(connection, until_at, known_at)
    described = descriptions_known_by(connection, known_at)
    rows = []
    for item_id in sorted(first_event_at.keys() | described.keys()):
        stated = described.get(item_id)
        moments = (first_event_at.get(item_id), None if stated is None else stated["available_at"])
        available_at = min((at for at in moments if at is not None), default=until_at)
        if available_at < until_at:
            texts = (
                dict.fromkeys(DESCRIPTION) if stated is None else {name: stated[name] for name in DESCRIPTION}
            )
            times = {"available_at": available_at, "first_event_at": first_event_at.get(item_id)}
            rows.append({"item_id": item_id} | texts | times)
    columns = [pa.array([row[field.name] for row in rows], type=field.type) for field in ITEMS]
    return pa.Table.from_arrays(columns, schema=ITEMS)


def _first_events(connection: Connection, until_at: int, known_at: int) -> dict[str, int]:
    """Item -> its first event before the cut that was known by then."""
    first = func.min(events.c.occurred_at)
    grouped = select(events.c.item_id, first).group_by(events.c.item_id)
    found = _pairs(connection, grouped.having(first < until_at))
    missed = select(events.c.item_id).where(*_left_out(None, until_at, known_at))
    named = _distinct(connection, missed)
    if not named:
        return found
    for item_id in named:
        found.pop(item_id, None)
    seen = partitions.within(None, until_at, known_at)
    return found | _pairs(connection, grouped.where(events.c.item_id.in_(missed), *seen))


def _pairs(connection: Connection, query: Select[tuple[str, int]]) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(query)}


def _number_of(connection: Connection, ids: Select[tuple[str]]) -> int:
    number: int = connection.execute(select(func.count()).select_from(ids.distinct().subquery())).scalar_one()
    return number


def _distinct(connection: Connection, ids: Select[tuple[str]]) -> set[str]:
    """Told apart here: asked for DISTINCT, SQLite would walk the index of users or items to the end."""
    return {name for (name,) in connection.execute(ids)}


def _left_out(from_at: int | None, until_at: int, known_at: int) -> list[ColumnElement[bool]]:
    missed = [events.c.occurred_at < until_at, events.c.known_at > known_at]
    return missed if from_at is None else [events.c.occurred_at >= from_at, *missed]


def _by_other_index(from_at: int | None, until_at: int) -> list[ColumnElement[bool]]:
    """[from_at, until_at), said so that SQLite walks the index of users in its order: a sum is in no index."""
    at = events.c.occurred_at + 0
    return [at < until_at] if from_at is None else [at >= from_at, at < until_at]
