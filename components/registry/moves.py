"""One move of the champion, and the end of a move that was interrupted.

MLflow's alias is last-writer-wins and has no history. So: a lease, an entry in the ledger, then the alias,
then the entry's number as a tag of the registered model. The ledger comes first, so a process that dies in
between leaves an entry whose number the model does not carry, and the next call finishes the move before it
does anything else. An alias that differs from the ledger though the numbers agree was moved by someone else
(or its version was deleted): that is drift, and nothing here touches it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient

from components.data.lease import Lease, LeaseHeld, hold_lease, this_process
from components.data.ledger import Action, PromotionEntry, append_promotion, last_promotion
from components.faults import crash_point
from components.registry.drift_state import Drift, drift_of, name
from components.registry.entry_tag import carry, why_not_carry
from components.registry.ledger_check import why_broken
from components.registry.registered import CHALLENGER, CHAMPION, RegisteredVersion
from components.registry.versions import aliases, find_version, registered_model

if TYPE_CHECKING:
    from components.data.warehouse import Engine

_WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class PromotionResult:
    """What a call did, or why it did nothing. `champion` is what is champion now."""

    moved: bool
    champion: str | None
    previous: str | None
    reason: str
    ledger_id: int | None  # of the entry that this call wrote
    tokenizer: str | None = None  # digests of what serves now, if the champion moved
    id_table: str | None = None


@contextmanager
def alone(engine: Engine, model_name: str) -> Iterator[Lease]:
    """Hold the lease on this model's promotion, waiting some seconds for a holder to end."""
    deadline = time.monotonic() + _WAIT_SECONDS
    with ExitStack() as held:
        while True:
            try:
                lease = held.enter_context(
                    hold_lease(engine, f"promotion:{model_name}", owner=this_process())
                )
                break
            except LeaseHeld:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)
        yield lease


def drift_now(engine: Engine, model_name: str) -> Drift:
    """Compare alias and ledger; reads only."""
    model = registered_model(model_name)
    broken = why_broken(engine, model)
    return drift_of(model, None if broken else last_promotion(engine, model_name), broken)


def settle(engine: Engine, model_name: str) -> tuple[Drift, PromotionResult | None]:
    """Finish a move that was interrupted; how things stand then, and what was finished. Under the lease.

    A ledger that is broken is told, and nothing follows from it. Where MLflow refuses that to this account, the move
    waits for one that may.
    """
    drift = drift_now(engine, model_name)
    if drift.state != "interrupted":
        return drift, None
    last = _written(engine, model_name)
    if why_not_carry(model_name) is not None:
        return drift, None
    target = find_version(model_name, last.version) if last.version else None
    _follow(model_name, target, last)
    reason = f"entry {last.id} of the ledger was interrupted and is finished now."
    moved = drift.alias != last.version
    finished = result_of(target, previous=drift.alias, moved=moved, reason=reason, ledger_id=None)
    return drift_now(engine, model_name), finished


def move(
    engine: Engine,
    lease: Lease,
    action: Action,
    model_name: str,
    target: RegisteredVersion | None,
    *,
    previous: str | None,
    verdict: str,
    actor: str,
    reason: str,
    evidence: dict[str, Any],
) -> PromotionResult:
    """Ledger, alias, tag, in this order; `previous` is champion and was found to be the expected one.

    Without a target the model is left without a champion. Where MLflow refuses the move to this account, nothing is
    written: an entry without its move would be finished by whoever comes next, and may.
    """
    if (why_not := why_not_carry(model_name)) is not None:
        return refused(previous, why_not)
    made_of = {}
    if target is not None:
        made_of = {kind: target.tags.get(f"recloop.{kind}") for kind in ("bundle", "tokenizer", "id_table")}
    lease.ensure_held()
    entry = append_promotion(
        engine,
        action=action,
        model=model_name,
        version=target.version if target else None,
        previous_version=previous,
        expected_version=previous,
        verdict=verdict,
        actor=actor,
        reason=reason,
        evidence=evidence | made_of,
    )
    crash_point(f"{action}:after-ledger")
    _follow(model_name, target, _written(engine, model_name))
    done = f"champion is {name(target.version if target else None)}, before it {name(previous)}."
    return result_of(target, previous=previous, moved=True, reason=done, ledger_id=entry)


def adopt(
    engine: Engine, model_name: str, drift: Drift, *, actor: str, accepts_ledger: bool = False
) -> PromotionResult:
    """Write down what somebody did to the alias, as the ledger's newest entry. Under the lease.

    `accepts_ledger`: and that the ledger before it, broken, is accepted as it lies.
    """
    if (why_not := why_not_carry(model_name)) is not None:
        return refused(drift.alias, why_not)
    target = find_version(model_name, drift.alias) if drift.alias else None
    entry = append_promotion(
        engine,
        action="promote",
        model=model_name,
        version=drift.alias,
        previous_version=drift.ledger,
        expected_version=drift.ledger,
        verdict="none",
        actor=actor,
        reason=drift.reason,
        evidence={"adopted": True}
        | ({"accepted": True} if accepts_ledger else {})
        | ({"bundle": target.bundle_digest} if target else {}),
        is_accepting=accepts_ledger,
    )
    crash_point("adopt:after-ledger")
    _no_longer_challenger(model_name, target)
    carry(model_name, _written(engine, model_name))
    return PromotionResult(
        moved=False, champion=drift.alias, previous=drift.ledger, reason=drift.reason, ledger_id=entry
    )


def result_of(
    target: RegisteredVersion | None, *, previous: str | None, moved: bool, reason: str, ledger_id: int | None
) -> PromotionResult:
    """The result of a call after which `target` is champion."""
    return PromotionResult(
        moved=moved,
        champion=target.version if target else None,
        previous=previous,
        reason=reason,
        ledger_id=ledger_id,
        tokenizer=target.tags.get("recloop.tokenizer") if target else None,
        id_table=target.tags.get("recloop.id_table") if target else None,
    )


def refused(champion: str | None, reason: str) -> PromotionResult:
    """The result of a call that did nothing."""
    return PromotionResult(moved=False, champion=champion, previous=champion, reason=reason, ledger_id=None)


def _written(engine: Engine, model_name: str) -> PromotionEntry:
    """The entry that was written last, which nobody but the holder of the lease writes."""
    last = last_promotion(engine, model_name)
    assert last is not None
    return last


def _follow(model_name: str, target: RegisteredVersion | None, entry: PromotionEntry) -> None:
    """Let the alias follow an entry of the ledger. What is champion is no longer challenger."""
    client = MlflowClient()
    if target is None:
        client.delete_registered_model_alias(model_name, CHAMPION)
    else:
        client.set_registered_model_alias(model_name, CHAMPION, target.version)
    crash_point("promotion:after-alias")
    _no_longer_challenger(model_name, target)
    carry(model_name, entry)


def _no_longer_challenger(model_name: str, champion: RegisteredVersion | None) -> None:
    if champion is not None and aliases(model_name).get(CHALLENGER) == champion.version:
        MlflowClient().delete_registered_model_alias(model_name, CHALLENGER)
        crash_point("promotion:after-challenger")
