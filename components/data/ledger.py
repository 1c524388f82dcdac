"""The promotion ledger: who made which version champion, on what evidence. Append-only by trigger, and chained.

MLflow's alias has no history; this is it. Only what moved the alias is written here: a refused promotion is
a result of the function that refused it. Reading does not follow the chain: `checked_ledger` does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Engine, RowMapping, select

from components.data.chain import HASH, PREVIOUS, Chain, append_entry, checked_chain
from components.data.moments import Clock, from_micros, to_micros, utc_now
from components.data.schema import promotions as table
from components.data.warehouse import reading, writing

Action = Literal["promote", "rollback"]
# not by an index: one that lost rows would give an earlier champion
_OF_MODEL = table.c.model.concat("")


@dataclass(frozen=True, kw_only=True)
class PromotionEntry:
    """One move of the champion."""

    id: int
    action: Action
    model: str
    version: str | None  # champion from now on; None: there is none
    previous_version: str | None  # champion until now
    expected_version: str | None  # what the one who promoted believed it to be
    verdict: str
    actor: str
    reason: str
    evidence: dict[str, Any]
    at: datetime
    entry_hash: str  # SHA-256, see `chain`


def append_promotion(
    engine: Engine,
    *,
    action: Action,
    model: str,
    version: str | None,
    previous_version: str | None,
    expected_version: str | None,
    verdict: str,
    actor: str,
    reason: str,
    evidence: dict[str, Any],
    now: Clock = utc_now,
    is_accepting: bool = False,
) -> int:
    """Write one entry and return its number. Entries can be neither changed nor deleted.

    `is_accepting`: the entry accepts all before it as it lies, though the chain be broken. Raises TypeError or
    ValueError if the evidence is not JSON (NaN is not).
    """
    row = {
        "action": action,
        "model": model,
        "version": version,
        "previous_version": previous_version,
        "expected_version": expected_version,
        "verdict": verdict,
        "actor": actor,
        "reason": reason,
        "evidence": json.dumps(evidence, sort_keys=True, allow_nan=False),
        "at": to_micros(now()),
    }
    with writing(engine, "ledger") as connection:
        return append_entry(connection, table, row, is_accepting=is_accepting)


def checked_ledger(engine: Engine) -> Chain:
    """Follow the chain over all entries, of every model. Raises LedgerBroken."""
    with reading(engine) as connection:
        return checked_chain(connection, table)


def entry_hash(engine: Engine, number: int) -> str | None:
    """The hash that an entry carries; None if there is no such entry."""
    with reading(engine) as connection:
        return connection.execute(select(table.c[HASH]).where(table.c.id == number)).scalar()


def promotions(engine: Engine, model: str) -> list[PromotionEntry]:
    """All entries of a model, oldest first."""
    with reading(engine) as connection:
        query = select(table).where(_OF_MODEL.in_((model,))).order_by(table.c.id)
        return [_entry(row) for row in connection.execute(query).mappings()]


def last_promotion(engine: Engine, model: str) -> PromotionEntry | None:
    """The newest entry of a model: what the alias has to agree with. None while there is none."""
    query = select(table).where(_OF_MODEL.in_((model,))).order_by(table.c.id.desc()).limit(1)
    with reading(engine) as connection:
        row = connection.execute(query).mappings().one_or_none()
        return None if row is None else _entry(row)


def current_champion(engine: Engine, model: str) -> str | None:
    """The version that the last entry made champion; None if there is no champion."""
    last = last_promotion(engine, model)
    return None if last is None else last.version


def _entry(row: RowMapping) -> PromotionEntry:
    told = {name: value for name, value in row.items() if name != PREVIOUS}
    return PromotionEntry(**{**told, "evidence": json.loads(row["evidence"]), "at": from_micros(row["at"])})
