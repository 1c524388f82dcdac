"""Promotion: the one way in which `champion` moves, and the way back.

Whoever asks (a verdict, a person on the command line, an approval in MLflow's UI), the same steps: a lease, a
look at the champion, the policy, the move (see `moves`), and, where one is given, a smoke test of what serves
now, whose failure brings the champion before it back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient

from components.data.lease import Lease
from components.data.ledger import PromotionEntry, last_promotion, promotions
from components.faults import crash_point
from components.registry.approvals import pending_approvals
from components.registry.moves import (
    OUTSIDE,
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
from components.registry.tracking import TrackingUnreachable, reaching_tracking
from components.registry.versions import (
    APPROVAL_TAG,
    APPROVED,
    RegisteredVersion,
    download_bundle,
    find_version,
    no_such_version,
)

if TYPE_CHECKING:
    from components.data.warehouse import Engine

__all__ = ["AUTO", "OUTSIDE", "PROMOTE", "PromotionPolicy", "PromotionResult", "SmokeTest"]

SMOKE_TAG = "recloop.smoke_test"  # of a version: what its last smoke test came to, and for which entry
SMOKE_ACTOR = "smoke-test"
_REASON_LENGTH = 500


@dataclass(frozen=True, kw_only=True)
class SmokeTest:
    """What has to work before a new champion is left to serve."""

    artifacts: Path  # where the bundle is fetched to
    check: Callable[[Path], None]  # takes the bundle's folder; raises if it does not serve


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
    moved by hand is left alone, and nothing is promoted over it.

    Raises LeaseHeld if another promotion of this model does not end, TrackingUnreachable (if the ledger has
    the entry by then, the next call finishes it), TypeError or ValueError if the evidence is not JSON.
    """
    with alone(engine, model_name) as lease:
        drift, _ = settle(engine, model_name)
        before = drift.alias
        if (why_not := _unexpected(drift, version, expected_champion)) is not None:
            return _proven(engine, lease, model_name, smoke) or refused(before, why_not)
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
        return _proven(engine, lease, model_name, smoke) or moved


@reaching_tracking()
def rollback(
    engine: Engine, *, model_name: str, actor: str, reason: str, expected_champion: str | None = None
) -> PromotionResult:
    """Bring back the champion before this one, with its tokenizer and ID table: they are in its bundle.

    Called again it goes one further back. Versions that exist no more are passed over. An alias that was
    moved by hand is written into the ledger first, so that the way back starts from what is served.
    `expected_champion`, where given, is who must be champion for anything to happen.
    """
    with alone(engine, model_name) as lease:
        drift, _ = settle(engine, model_name)
        if expected_champion is not None and drift.alias != expected_champion:
            return refused(
                drift.alias, f"the champion is {name(drift.alias)}, not {name(expected_champion)}: it stays."
            )
        if drift.state == "moved":
            adopt(engine, model_name, drift, actor=OUTSIDE)
        back = _go_back(engine, lease, model_name, drift.alias, actor=actor, reason=reason, evidence={})
        return back or refused(
            drift.alias, f"{model_name} has no earlier champion to go back to; {name(drift.alias)} stays."
        )


@reaching_tracking()
def apply_approvals(
    engine: Engine, *, model_name: str, policy: PromotionPolicy = AUTO, smoke: SmokeTest | None = None
) -> PromotionResult | None:
    """Promote the newest version that a reviewer approved in MLflow's UI; None if there is nothing to do.

    Pending is the approval of a version that is newer than the champion and never was champion: an approval
    that was acted on, or overtaken, does not come back by itself. Where the policy refuses the newest, the one
    before it is asked. The ledger names the approver. Without anything pending nothing is written.
    """
    drift = drift_now(engine, model_name)
    pending = pending_approvals(engine, model_name)
    if drift.state == "interrupted" or _unproven(engine, model_name, drift, smoke):
        with alone(engine, model_name) as lease:
            drift, finished = settle(engine, model_name)
            return _proven(engine, lease, model_name, smoke) or finished
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


def _go_back(
    engine: Engine,
    lease: Lease,
    model_name: str,
    now: str | None,
    *,
    actor: str,
    reason: str,
    evidence: dict[str, Any],
) -> PromotionResult | None:
    """Move to the newest earlier champion that still exists; None if there is none."""
    for earlier in reversed(_line_of_champions(promotions(engine, model_name))[:-1]):
        target = find_version(model_name, earlier) if earlier not in (None, now) else None
        if target is None or target.bundle_digest is None:
            continue
        verdict = target.verdict or "none"
        return move(
            engine, lease, "rollback", model_name, target,
            previous=now, verdict=verdict, actor=actor, reason=reason, evidence=evidence,
        )  # fmt: skip
    return None


def _line_of_champions(entries: list[PromotionEntry]) -> list[str | None]:
    """The champions that led to the current one, from none at all; what was rolled back is not among them."""
    line: list[str | None] = [None]
    for entry in entries:
        if entry.action == "rollback" and entry.version in line:
            del line[len(line) - line[::-1].index(entry.version) :]
        else:
            line.append(entry.version)
    return line


def _unproven(
    engine: Engine, model_name: str, drift: Drift, smoke: SmokeTest | None
) -> tuple[PromotionEntry, RegisteredVersion] | None:
    """The champion and its entry, if its smoke test is still owed: the process died before or in it."""
    last = last_promotion(engine, model_name)
    if smoke is None or last is None or last.version is None or drift.state != "agree":
        return None
    champion = find_version(model_name, last.version)
    owed = last.action == "promote" and last.evidence.get("smoke_test") is True
    if champion is None or not owed or champion.tags.get(SMOKE_TAG) == _passed(last.id):
        return None
    return last, champion


def _proven(engine: Engine, lease: Lease, model_name: str, smoke: SmokeTest | None) -> PromotionResult | None:
    """Make the smoke test that is owed; what was rolled back if it failed, None if all is well."""
    owed = _unproven(engine, model_name, drift_now(engine, model_name), smoke)
    if owed is None or smoke is None:
        return None
    entry, champion = owed
    crash_point("promote:before-smoke")
    try:
        smoke.check(Path(download_bundle(model_name, champion.version, smoke.artifacts).path))
    except TrackingUnreachable:
        raise  # nothing is known of the champion; the next call tests it
    except Exception as error:  # whatever it is, this version does not serve
        return _withdraw(engine, lease, entry, champion, f"{type(error).__name__}: {error}"[:_REASON_LENGTH])
    MlflowClient().set_model_version_tag(model_name, champion.version, SMOKE_TAG, _passed(entry.id))
    return None


def _withdraw(
    engine: Engine, lease: Lease, entry: PromotionEntry, champion: RegisteredVersion, why: str
) -> PromotionResult:
    """Bring the champion before back, or leave none: a version that does not serve must not be named."""
    MlflowClient().set_model_version_tag(
        champion.name, champion.version, SMOKE_TAG, f"failed for entry {entry.id}: {why}"
    )
    crash_point("smoke:after-tag")
    reason = f"smoke test of version {champion.version} failed: {why}"
    settings: dict[str, Any] = {"actor": SMOKE_ACTOR, "reason": reason, "evidence": {"failed_entry": entry.id}}
    back = _go_back(engine, lease, champion.name, champion.version, **settings)
    if back is None:
        back = move(
            engine, lease, "rollback", champion.name, None,
            previous=champion.version, verdict="none", **settings,
        )  # fmt: skip
    return PromotionResult(**{**vars(back), "moved": back.champion != entry.previous_version, "reason": reason})


def _passed(entry: int) -> str:
    return f"passed for entry {entry}"
