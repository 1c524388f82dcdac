"""Ledgers that are not what was written, taken as they lie, because a person says so."""

from __future__ import annotations

from sqlalchemy import Engine, select

from components.data.accounts import accept_batches
from components.data.alpha import accept_alpha
from components.data.chain import LedgerBroken
from components.data.ledger import append_promotion, checked_ledger
from components.data.schema import promotions
from components.data.warehouse import reading


def accept_books(engine: Engine, *, actor: str) -> tuple[str, ...]:
    """Accept alpha and batches, the quarantine with them; those that were not what was written."""
    told = {"alpha": accept_alpha(engine, f"by {actor}"), "batches": accept_batches(engine, f"by {actor}")}
    return tuple(ledger for ledger, broken in told.items() if broken)


def accept_promotions(engine: Engine, model: str, *, actor: str) -> bool:
    """Accept promotions where no registry is there to say who is champion: the last entry's version stays it.

    Whether there was something to accept.
    """
    try:
        checked_ledger(engine)
    except LedgerBroken as error:
        version = _last_version(engine, model)
        append_promotion(
            engine, action="promote", model=model, version=version, previous_version=version,
            expected_version=version, verdict="none", actor=actor, reason=str(error),
            evidence={"adopted": True, "accepted": True}, is_accepting=True,
        )  # fmt: skip
        return True
    return False


def said(accepted: tuple[str, ...]) -> str:
    if not accepted:
        return "nothing to accept: promotions, alpha, batches and quarantine are what was written."
    return f"accepted as they lie, and written down: {', '.join(accepted)}."


def _last_version(engine: Engine, model: str) -> str | None:
    query = select(promotions.c.version).where(promotions.c.model == model)
    with reading(engine) as connection:
        return connection.execute(query.order_by(promotions.c.id.desc()).limit(1)).scalar()
