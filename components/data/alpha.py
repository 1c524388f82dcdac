"""The ledger of alpha: which challengers were tried on a window, at what error rate, and with what verdict.

Alpha is written down before the verdict is known, so that a run that dies in between has spent it, and two
runs at once do not both come first. The same challenger on the same window finds what it got before.
Append-only by trigger, and chained: from a ledger that was changed no alpha is given (see `chain`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, Engine, select

from components.data.chain import HASH, PREVIOUS, Chain, LedgerBroken, append_entry, checked_chain
from components.data.moments import Clock, from_micros, to_micros, utc_now
from components.data.schema import alpha_ledger as table
from components.data.warehouse import reading, writing


@dataclass(frozen=True, kw_only=True)
class AlphaEntry:
    """`spent` before a challenger is judged, once; `judged` for every replay that came to a verdict."""

    id: int
    entry: Literal["spent", "judged"]
    window_digest: str  # of the window's snapshot
    challenger_digest: str  # of its artifact; of several judged together, the digest of theirs
    attempt: int  # 1 for the first challenger of the window, or the first several
    alpha_one_sided: float
    profile: str
    verdict: str | None
    replay: str | None
    at: datetime


def spend_alpha(
    engine: Engine,
    *,
    window: str,
    challenger: str,
    shares: Sequence[float],
    profile: str,
    now: Clock = utc_now,
) -> AlphaEntry:
    """The entry that says what this challenger may use: shares[k-1] for the k-th of the window, 0 beyond them.

    A challenger that was tried on the window before gets its first entry again, and spends nothing. Raises
    LedgerBroken if the ledger is not what was written: alpha that is missing there would be spent twice.
    """
    with writing(engine, "alpha") as connection:
        entry, is_new = _entry_for(connection, window, challenger, shares, profile, now)
        if not is_new:
            return entry
        row = {name: value for name, value in vars(entry).items() if name != "id"}
        append_entry(connection, table, row | {"at": to_micros(entry.at)})
        return _entries(connection, window)[-1]


def foresee_alpha(
    engine: Engine,
    *,
    window: str,
    challenger: str,
    shares: Sequence[float],
    profile: str,
    now: Clock = utc_now,
) -> AlphaEntry:
    """The entry that `spend_alpha` would give at this moment; writes nothing. One that is not there has the id 0."""
    with reading(engine) as connection:
        return _entry_for(connection, window, challenger, shares, profile, now)[0]


def _entry_for(
    connection: Connection, window: str, challenger: str, shares: Sequence[float], profile: str, now: Clock
) -> tuple[AlphaEntry, bool]:
    """The challenger's entry on the window, and whether it would be a new one. Raises LedgerBroken."""
    checked_chain(connection, table)
    spent = [entry for entry in _entries(connection, window) if entry.entry == "spent"]
    for entry in spent:
        if entry.challenger_digest == challenger:
            return entry, False
    attempt = len(spent) + 1
    return AlphaEntry(
        id=0, entry="spent", window_digest=window, challenger_digest=challenger, attempt=attempt,
        alpha_one_sided=shares[attempt - 1] if attempt <= len(shares) else 0.0, profile=profile,
        verdict=None, replay=None, at=now(),
    ), True  # fmt: skip


def record_verdict(
    engine: Engine, spent: AlphaEntry, *, profile: str, verdict: str, replay: str, now: Clock = utc_now
) -> None:
    """Note what the challenger of a `spent` entry was judged; the same replay again is noted once."""
    row = {
        "entry": "judged",
        "window_digest": spent.window_digest,
        "challenger_digest": spent.challenger_digest,
        "attempt": spent.attempt,
        "alpha_one_sided": spent.alpha_one_sided,
        "profile": profile,
        "verdict": verdict,
        "replay": replay,
        "at": to_micros(now()),
    }
    with writing(engine, "alpha") as connection:
        if all(entry.replay != replay for entry in _entries(connection, spent.window_digest)):
            append_entry(connection, table, row)


def checked_alpha(engine: Engine) -> Chain:
    """Follow the chain over all entries, of every window. Raises LedgerBroken."""
    with reading(engine) as connection:
        return checked_chain(connection, table)


def accept_alpha(engine: Engine, why: str, *, now: Clock = utc_now) -> str:
    """Write an entry, of no window, that accepts all before it as it lies; what was wrong.

    "" if the chain is whole: nothing is written then.
    """
    row = {
        "entry": "judged",
        "attempt": 0,
        "alpha_one_sided": 0.0,
        "verdict": f"accepted: {why}",
        "replay": "",
    }
    row |= {"window_digest": "", "challenger_digest": "", "profile": "", "at": to_micros(now())}
    with writing(engine, "alpha") as connection:
        try:
            checked_chain(connection, table)
        except LedgerBroken as error:
            append_entry(connection, table, row, is_accepting=True)
            return str(error)
    return ""


def alpha_entries(engine: Engine, window: str) -> list[AlphaEntry]:
    """All entries of a window, oldest first."""
    with reading(engine) as connection:
        return _entries(connection, window)


def _entries(connection: Connection, window: str) -> list[AlphaEntry]:
    rows = connection.execute(
        select(table).where(table.c.window_digest == window).order_by(table.c.id)
    ).mappings()
    told = ({name: value for name, value in row.items() if name not in (PREVIOUS, HASH)} for row in rows)
    return [AlphaEntry(**{**row, "at": from_micros(row["at"])}) for row in told]
