"""Drift: `champion` moved, or its version deleted, by a hand other than recloop's, and what to do about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from components.data.accepting import accept_books, said
from components.registry.drift_state import OUTSIDE
from components.registry.entry_tag import why_not_carry
from components.registry.moves import (
    Drift,
    PromotionResult,
    adopt,
    alone,
    drift_now,
    move,
    name,
    refused,
    settle,
)
from components.registry.tracking import reaching_tracking
from components.registry.versions import find_version

if TYPE_CHECKING:
    from components.data.warehouse import Engine

Mode = Literal["report", "adopt", "put-back", "accept-ledger"]


@reaching_tracking()
def drift_of_alias(engine: Engine, model_name: str) -> Drift:
    """How MLflow's alias stands to the ledger; reads only. Raises TrackingUnreachable."""
    return drift_now(engine, model_name)


@reaching_tracking()
def finish_interrupted(engine: Engine, model_name: str) -> Drift:
    """Finish a promotion or rollback that died on its way; how alias and ledger stand then.

    Adopts and puts back nothing. Call it where the champion is about to be compared with or served.
    """
    if (drift := drift_now(engine, model_name)).state != "interrupted":
        return drift
    with alone(engine, model_name):
        return settle(engine, model_name)[0]


@reaching_tracking()
def reconcile(
    engine: Engine, model_name: str, mode: Mode = "report", *, actor: str = OUTSIDE
) -> PromotionResult:
    """Bring alias and ledger together; moved=True if the alias had to be moved.

    `report` says how they stand and writes nothing. `adopt` makes what somebody did by hand the ledger's
    newest entry; `put-back` moves the alias back to the ledger's champion, and the ledger says so. Both first
    finish a move that was interrupted. `accept-ledger` takes a ledger that is broken as it lies, those of alpha
    and batches too, and MLflow's champion as the present one, and says which it took; of one that is whole it changes
    nothing, nor where MLflow refuses this account the champion. `actor` is who decides it.

    Raises LeaseHeld if a promotion of this model does not end, TrackingUnreachable.
    """
    if mode == "report":
        drift = drift_now(engine, model_name)
        return refused(drift.alias, drift.reason)
    with alone(engine, model_name) as lease:
        drift, finished = settle(engine, model_name)
        if mode == "accept-ledger":
            return _accept(engine, model_name, drift, actor)
        if drift.state in ("agree", "broken"):
            return finished or refused(drift.alias, drift.reason)
        if mode == "adopt":
            return adopt(engine, model_name, drift, actor=actor)
        target = find_version(model_name, drift.ledger) if drift.ledger else None
        if drift.ledger is not None and target is None:
            return refused(
                drift.alias,
                f"{name(drift.ledger)}, champion by the ledger, exists no more in MLflow. `recloop reconcile "
                "--adopt` accepts what is; `recloop rollback` goes to the champion before it.",
            )
        return move(
            engine,
            lease,
            "rollback",
            model_name,
            target,
            previous=drift.alias,
            verdict=(target and target.verdict) or "none",
            actor=actor,
            reason=f"put back: {drift.reason}",
            evidence={"put_back": True},
        )


def _accept(engine: Engine, model_name: str, drift: Drift, actor: str) -> PromotionResult:
    if (why_not := why_not_carry(model_name)) is not None:
        return refused(drift.alias, f"nothing was accepted. {why_not}")
    accepted = accept_books(engine, actor=actor)
    if drift.state == "broken":
        adopted = adopt(engine, model_name, drift, actor=actor, accepts_ledger=True)
        told = f"{said(('promotions', *accepted))} Champion is {name(drift.alias)}, as MLflow has it."
        return replace(adopted, reason=told)
    also = f" {drift.reason}" if drift.state == "moved" else ""
    return refused(drift.alias, said(accepted) + also)
