"""A warehouse with rows in every table that is guarded, and what is read of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from components.artifact import ArtifactRef
from components.data import journal
from components.data.accounts import checked_accounts
from components.data.alpha import foresee_alpha, record_verdict, spend_alpha
from components.data.ingest import land_batch, watermark
from components.data.lease import Lease, LeaseHeld, LeaseLost, hold_lease
from components.data.ledger import append_promotion, checked_ledger, promotions
from components.data.moments import utc_now
from components.data.quarantine import list_quarantine
from components.data.schema import metadata
from components.data.warehouse import Engine, reading
from tests.data.landing import bad, batch, event, item

TABLES = ("promotions", "alpha_ledger", "batches", "quarantine", "stage_journal", "leases")
KEYS = ("k1", "k2", "k3")
SHARES = (0.015, 0.006, 0.004)
HOLDER, NEXT = "other-host:1:1.00", "other-host:2:1.00"
_HOURS = 10_000  # the lease outlasts the run


@dataclass(frozen=True, kw_only=True)
class Gave:
    """What a stage gave."""

    ref: ArtifactRef


def fill(engine: Engine, artifacts: Path) -> None:
    for number in range(3):
        aside = (
            bad("x", payload=json.dumps({"user_id": f"u{number}"})),
            bad("y", kind="item", payload='{"item_id": "u"}'),
        )
        rows = [event(f"e{number}{n}", user=f"u{n}", hours=n + 10 * number) for n in range(4)]
        land_batch(
            engine, batch(*rows, items=(item(f"i{number}"),), quarantined=aside, as_of_hours=10 * number + 9)
        )
    for number in range(1, 6):
        append_promotion(
            engine, action="promote", model="m", version=str(number), previous_version=str(number - 1),
            expected_version=str(number - 1), verdict="PROMOTE", actor="gate", reason="r", evidence={"n": number},
        )  # fmt: skip
    for challenger in "ab":
        spent = spend_alpha(engine, window="w", challenger=challenger, shares=SHARES, profile="p")
        record_verdict(engine, spent, profile="p", verdict="HOLD", replay=f"r{challenger}")
    for key in KEYS:
        ref = ArtifactRef(kind="arm", digest=key * 32, path=str(artifacts / key))
        journal.record(
            engine, key=key, stage="train", output=Gave(ref=ref), seconds=1.5, peak_mb=10.0, run="run"
        )  # fmt: skip
    _hold(engine)


def _hold(engine: Engine) -> None:
    """Two leases whose holders live, on another machine."""
    from components.data.lease import _take

    for name in ("retraining", "scoring"):
        _take(engine, name, HOLDER, _HOURS * 3600, utc_now)


def rows_of(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    found = {}
    with reading(engine) as connection:
        for table in map(metadata.tables.__getitem__, TABLES):
            query = select(table).order_by(*table.primary_key.columns)
            found[table.name] = [dict(row) for row in connection.execute(query).mappings()]
    return found


def another_output(output: str) -> str:
    """The journal names another artifact."""
    return output.replace("k1", "k9").replace("k2", "k9").replace("k3", "k9")


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Something that reads a table; `same` says what is wrong with what came out, "" if it is as it was written."""

    table: str
    read: Callable[[Engine], Any]
    same: Callable[[Any], str]
    must_refuse: bool = False  # whatever was changed


def _ledger(engine: Engine) -> Any:
    checked_ledger(engine)
    return [(entry.version, entry.actor, entry.evidence) for entry in promotions(engine, "m")]


def _alpha(engine: Engine) -> Any:
    return foresee_alpha(engine, window="w", challenger="c", shares=SHARES, profile="p").alpha_one_sided


def _batches(engine: Engine) -> Any:
    with reading(engine) as connection:
        return watermark(connection)


def _quarantine(engine: Engine) -> Any:
    checked_accounts(engine)
    return [row.payload for row in list_quarantine(engine, state=None)]


def _journal(engine: Engine) -> Any:
    return [found and found.ref.digest for key in KEYS for found in [journal.find(engine, key, Gave)]]


def _leases(engine: Engine) -> Any:
    """How many hold the lease: the one of before, and the next who asks."""
    held = 0
    for name in ("retraining", "scoring"):
        mine = Lease(engine=engine, name=name, owner=HOLDER, fence=1, ttl_seconds=_HOURS * 3600, now=utc_now)
        try:
            with hold_lease(engine, name, owner=NEXT):
                held = max(held, 1 + _is_held(mine))
        except LeaseHeld:
            held = max(held, 1)
    return held


def _is_held(lease: Lease) -> bool:
    try:
        lease.ensure_held()
    except LeaseLost:
        return False
    return True


def _is(wanted: Any) -> Callable[[Any], str]:
    return lambda found: "" if found == wanted else f"{found!r} was read, {wanted!r} was written"


def _of_journal(found: Any) -> str:
    """A stage that is not found is done again."""
    wrong = [(key, one) for key, one in zip(KEYS, found, strict=True) if one not in (None, key * 32)]
    return f"{wrong} were read" if wrong else ""


READERS = (
    Reader(
        table="promotions", read=_ledger, must_refuse=True,
        same=_is([(str(n), "gate", {"n": n}) for n in range(1, 6)]),
    ),
    Reader(table="alpha_ledger", read=_alpha, same=_is(SHARES[2]), must_refuse=True),
    Reader(table="batches", read=_batches, same=_is(3), must_refuse=True),
    Reader(
        table="quarantine", read=_quarantine, must_refuse=True,
        same=_is([row for n in range(3) for row in ({"user_id": f"u{n}"}, {"item_id": "u"})]),
    ),
    Reader(table="stage_journal", read=_journal, same=_of_journal),
    Reader(table="leases", read=_leases, same=_is(1)),
)  # fmt: skip


def all_read(engine: Engine) -> None:
    """Of an undamaged world every reader gives what was written, all of it."""
    for reader in READERS:
        found = reader.read(engine)
        if reader.table == "stage_journal":
            assert found == [key * 32 for key in KEYS], found
        assert not (said := reader.same(found)), f"{reader.table}: {said}"


def violation(reader: Reader, engine: Engine, changed: str | None) -> str:
    """What is wrong with how a reader took it; "" if it refused by name, or read what was written.

    `changed` is the table whose rows are others than before; None: it is not known which.
    """
    try:
        found = reader.read(engine)
    except Exception as error:
        if said := unknown(error):
            return f"{reader.table}: {said}"
        is_named = changed is None or changed in str(error) or reader.table in str(error)
        return "" if is_named else f"{reader.table}: refused without the name of {changed}: {error}"
    if reader.table == changed and reader.must_refuse:
        return f"{reader.table}: read as if nothing had been changed"
    return said if not (said := reader.same(found)) else f"{reader.table}: {said}"


def unknown(error: Exception) -> str:
    """ "" if it was raised for a person."""
    known = type(error).__module__.startswith("components.")
    return "" if known else f"{type(error).__name__}: {error}"
