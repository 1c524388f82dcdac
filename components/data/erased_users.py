"""Tombstones: users whose rows are not taken in again, kept as keyed hashes and never as ids.

The key is drawn with the first tombstone and lies beside it, so a hash does not tell of a user in another
warehouse; who holds both can still try ids one by one, and should guard them like data.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import replace

import pandas as pd
from sqlalchemy import Connection, Engine, delete, insert, select, update

from components.data.batch import QUARANTINE_COLUMNS, CheckedBatch
from components.data.coded import coded
from components.data.moments import Clock, to_micros, utc_now
from components.data.schema import erasures
from components.data.warehouse import reading, writing

ERASED_USER = "erased_user"  # reason code of a row that was not taken in
NOTHING = "{}"  # payload of such a row


def set_tombstone(engine: Engine, user_id: str, *, now: Clock = utc_now) -> None:
    """From here on no row of this user is taken in. Again changes nothing."""
    with writing(engine, "ingest") as connection:
        if _erased_among(connection, [user_id]):
            return
        salt = connection.execute(select(erasures.c.salt).limit(1)).scalar() or secrets.token_hex(16)
        row = {"user_key": _key(user_id, salt), "salt": salt, "begun_at": to_micros(now())}
        connection.execute(insert(erasures).values(row))


def finish_tombstone(engine: Engine, user_id: str, *, now: Clock = utc_now) -> None:
    """Note that the erasure went through every place."""
    with writing(engine, "ingest") as connection:
        salt = connection.execute(select(erasures.c.salt).limit(1)).scalar_one()
        of_user = erasures.c.user_key == _key(user_id, salt)
        connection.execute(update(erasures).where(of_user).values(finished_at=to_micros(now())))


def lift_tombstone(engine: Engine, user_id: str) -> bool:
    """Let later batches bring this user in again. False if there was no tombstone."""
    with writing(engine, "ingest") as connection:
        salt = connection.execute(select(erasures.c.salt).limit(1)).scalar()
        if salt is None:
            return False
        gone = connection.execute(delete(erasures).where(erasures.c.user_key == _key(user_id, salt)))
        return gone.rowcount > 0


def is_erased(engine: Engine, user_id: str) -> bool:
    """Whether there is a tombstone of this user."""
    with reading(engine) as connection:
        return bool(_erased_among(connection, [user_id]))


def any_erased(engine: Engine) -> bool:
    """Whether any user was erased, and not let in again."""
    with reading(engine) as connection:
        return connection.execute(select(erasures.c.user_key).limit(1)).first() is not None


def erased_among(engine: Engine, users: Iterable[str]) -> set[str]:
    """Those of these users of whom there is a tombstone."""
    with reading(engine) as connection:
        return _erased_among(connection, users)


def without_erased_users(engine: Engine, checked: CheckedBatch) -> CheckedBatch:
    """The batch with the rows of erased users turned into quarantine rows that hold nothing of them.

    Call it before a checked batch is written anywhere; landing does it in any case. The counts still add up.
    """
    with reading(engine) as connection:
        return forget(connection, checked)


def forget(connection: Connection, checked: CheckedBatch) -> CheckedBatch:
    """`without_erased_users`, inside a transaction."""
    if connection.execute(select(erasures.c.user_key).limit(1)).first() is None:
        return checked
    refused_users = checked.quarantined["payload"].map(user_of_payload)
    users = coded(checked.events["user_id"]).texts
    erased = _erased_among(connection, {*users, *refused_users.dropna()})
    if not erased:
        return checked
    of_erased = checked.events["user_id"].isin(erased)
    rows = checked.events.loc[of_erased, "source_row"]
    refused = pd.DataFrame(
        {"kind": "event", "source_row": rows, "payload": NOTHING, "reasons": ERASED_USER},
        columns=list(QUARANTINE_COLUMNS),
    )
    kept = checked.quarantined.copy()
    kept.loc[refused_users.isin(erased), ["payload", "reasons"]] = [NOTHING, ERASED_USER]
    return replace(
        checked,
        events=checked.events[~of_erased].reset_index(drop=True),
        quarantined=pd.concat([kept, refused], ignore_index=True) if len(refused) else kept,
    )


def user_of_payload(payload: str) -> str | None:
    """The user that a quarantined row speaks of, as its id would be typed; None where there is none."""
    user = json.loads(payload).get("user_id")
    return None if user is None else str(user)


def _erased_among(connection: Connection, users: Iterable[str]) -> set[str]:
    keys = dict(connection.execute(select(erasures.c.user_key, erasures.c.salt)).tuples().all())
    if not keys:
        return set()
    salt = next(iter(keys.values()))
    return {user for user in users if _key(user, salt) in keys}


def _key(user_id: str, salt: str) -> str:
    spelled = user_id.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(spelled, key=bytes.fromhex(salt), digest_size=32).hexdigest()
