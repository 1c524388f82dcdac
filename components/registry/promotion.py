"""Promotion: the one way in which `champion` moves, and the way back.

Whoever asks (a verdict, a person on the command line, an approval in MLflow's UI), the same steps: a lease, a
look at the champion, the policy, the move (see `moves`), and, where one is given, a smoke test of what serves
now, whose failure brings the champion before it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.registry.approvals import pending_approvals
from components.registry.drift_state import OUTSIDE
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
from components.registry.policy import AUTO, PROMOTE, PromotionPolicy, objection
from components.registry.registered import APPROVAL_TAG, APPROVED
from components.registry.smoke_test import SmokeTest, make_owed_test, owed_test
from components.registry.tracking import reaching_tracking
from components.registry.versions import find_version, no_such_version
from components.registry.way_back import go_back

if TYPE_CHECKING:
    from components.data.warehouse import Engine

__all__ = ["AUTO", "OUTSIDE", "PROMOTE", "PromotionPolicy", "PromotionResult", "SmokeTest"]


@reaching_tracking()
def promote(
    engine: Engine,
    *,
    model_name: str,
    version: str,
    expected_champion: str | None,
    verdict: str,
    actor: str,
    reason: str,
    evidence: Mapping[str, Any],
    force: bool = False,
    policy: PromotionPolicy = AUTO,
    approver: str | None = None,
    smoke: SmokeTest | None = None,
) -> PromotionResult:
    """Make a version champion if the champion is the expected one and evidence and policy allow it.

    The evidence does if the verdict, which must be the one the version is tagged with, is PROMOTE, or a
    reviewer has approved the version; `force` overrides both, and the ledger says so. `policy` says whether a
    person must stand behind the move: `approver`, who asks for it, or the reviewer of the tag.
    `expected_champion` None: there is none yet. Promoting the champion again moves nothing and is no error: a
    killed run may ask twice, and a smoke test that it did not come to is made up for. An alias that somebody
    moved by hand is left alone, and nothing is promoted over it, nor on a ledger that is not what was written.

    Raises LeaseHeld if another promotion of this model does not end, TrackingUnreachable (if the ledger has
    the entry by then, the next call finishes it), TypeError or ValueError if the evidence is not JSON.
    """
    with alone(engine, model_name) as lease:
        drift, _ = settle(engine, model_name)
        before = drift.alias
        if (why_not := _unexpected(drift, version, expected_champion)) is not None:
            return make_owed_test(engine, lease, model_name, smoke) or refused(before, why_not)
        target = find_version(model_name, version)
        if target is None:
            return refused(before, no_such_version(model_name, version))
        why_not = objection(target, verdict=verdict, policy=policy, approver=approver, force=force)
        if why_not is not None:
            return refused(before, why_not)
        moved = move(
            engine,
            lease,
            "promote",
            model_name,
            target,
            previous=before,
            verdict=verdict,
            actor=actor,
            reason=reason,
            evidence={
                **evidence,
                "approved": target.is_approved,
                "approver": approver or target.approver,
                "forced": force,
                "policy": policy.mode,
                "smoke_test": smoke is not None,
            },
        )
        return make_owed_test(engine, lease, model_name, smoke) or moved


@reaching_tracking()
def rollback(
    engine: Engine, *, model_name: str, actor: str, reason: str, expected_champion: str | None = None
) -> PromotionResult:
    """Bring back the champion before this one, with its tokenizer and ID table: they are in its bundle.

    Called again it goes one further back. Versions that exist no more are passed over. An alias that was
    moved by hand is written into the ledger first, so that the way back starts from what is served. A ledger that is
    not what was written names no champion before this one: refused.
    `expected_champion`, where given, is who must be champion for anything to happen.
    """
    with alone(engine, model_name) as lease:
        drift, _ = settle(engine, model_name)
        if drift.state == "broken":
            return refused(drift.alias, f"{drift.reason} Nothing is rolled back before.")
        if expected_champion is not None and drift.alias != expected_champion:
            return refused(
                drift.alias, f"the champion is {name(drift.alias)}, not {name(expected_champion)}: it stays."
            )
        if drift.state == "moved":
            adopt(engine, model_name, drift, actor=OUTSIDE)
        back = go_back(engine, lease, model_name, drift.alias, actor=actor, reason=reason, evidence={})
        return back or refused(
            drift.alias, f"{model_name} has no earlier champion to go back to; {name(drift.alias)} stays."
        )


@reaching_tracking()
def apply_approvals(
    engine: Engine,
    *,
    model_name: str,
    policy: PromotionPolicy = AUTO,
    smoke: SmokeTest | None = None,
    seen: Drift | None = None,
) -> PromotionResult | None:
    """Promote the newest version that a reviewer approved in MLflow's UI; None if there is nothing to do.

    Pending is the approval of a version that is newer than the champion and never was champion: an approval
    that was acted on, or overtaken, does not come back by itself. Where the policy refuses the newest, the one
    before it is asked. The ledger names the approver. Without anything pending nothing is written. `seen` is the drift
    as the caller has just seen it, which costs a walk over the ledger; what moves is looked at again under the lease.
    """
    drift = seen or drift_now(engine, model_name)
    pending = pending_approvals(engine, model_name)
    if drift.state == "interrupted" or owed_test(engine, model_name, drift, smoke):
        with alone(engine, model_name) as lease:
            drift, finished = settle(engine, model_name)
            return make_owed_test(engine, lease, model_name, smoke) or finished
    results = []
    for approval in pending:
        results.append(
            promote(
                engine,
                model_name=model_name,
                version=approval.version.version,
                expected_champion=drift.alias,
                verdict=approval.version.verdict or "none",
                actor=approval.approver,
                reason=f"approved in MLflow ({APPROVAL_TAG}: {APPROVED})",
                evidence={},
                policy=policy,
                smoke=smoke,
            )
        )
        if results[-1].moved:
            return results[-1]
    return results[0] if results else None


def _unexpected(drift: Drift, version: str, expected: str | None) -> str | None:
    """Why this is not the moment to promote, or None."""
    if drift.state == "broken":
        return f"{drift.reason} Nothing is promoted before."
    if drift.state == "moved":
        return (
            f"{drift.reason} `recloop reconcile --adopt` accepts that, `recloop reconcile --put-back` undoes "
            "it; nothing is promoted before."
        )
    if drift.alias == version:
        return f"version {version} is champion already."
    if drift.alias != expected:
        return (
            f"the champion is {name(drift.alias)}, not {name(expected)} as expected: somebody was "
            f"faster. Compare {name(version)} with {name(drift.alias)} before promoting it."
        )
    return None
