"""Promotion: the one way in which `champion` moves, and the way back.

MLflow's alias is last-writer-wins and has no history. So: a lease, a look at the champion, an entry in the
ledger, then the alias, then the entry's number as a tag of the registered model. The ledger comes first, so
a process that dies in between leaves an entry whose number the model does not carry, and the next call
finishes the move before it does anything else. An alias that differs from the ledger though the numbers
agree was moved by someone else (or its version was deleted): the ledger notes what is, and says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from components.data.lease import Lease, LeaseHeld, hold_lease, this_process
from components.data.ledger import Action, PromotionEntry, append_promotion, promotions
from components.faults import crash_point
from components.registry.tracking import reaching_tracking
from components.registry.versions import (
    APPROVAL_TAG,
    APPROVED,
    CHALLENGER,
    CHAMPION,
    RegisteredVersion,
    aliases,
    approved_versions,
    find_version,
    no_such_version,
)

if TYPE_CHECKING:
    from components.data.warehouse import Engine

PROMOTE = "PROMOTE"
ENTRY_TAG = "recloop.ledger_entry"  # of the registered model: the last entry that the alias follows
OUTSIDE = "outside recloop"
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
) -> PromotionResult:
    """Make a version champion if the champion is the expected one and the evidence allows it.

    It does if the verdict, which must be the one the version is tagged with, is PROMOTE, or a reviewer has
    approved the version; `force` overrides both, and the ledger says so. `expected_champion` None: there is
    none yet. Promoting the champion again moves nothing and is no error: a killed run may ask twice.

    Raises LeaseHeld if another promotion of this model does not end, TrackingUnreachable (if the ledger has
    the entry by then, the next call finishes it), TypeError or ValueError if the evidence is not JSON.
    """
    with _alone(engine, model_name) as lease:
        before = _reconcile(engine, model_name).champion
        if before == version:
            return _refused(before, f"version {version} is champion already.")
        if before != expected_champion:
            return _refused(
                before,
                f"the champion is {_name(before)}, not {_name(expected_champion)} as expected: somebody was "
                f"faster. Compare {_name(version)} with {_name(before)} before promoting it.",
            )
        target = find_version(model_name, version)
        if target is None:
            return _refused(before, no_such_version(model_name, version))
        if (why_not := _objection(target, verdict, force)) is not None:
            return _refused(before, why_not)
        return _move(
            engine,
            lease,
            "promote",
            model_name,
            target,
            previous=before,
            verdict=verdict,
            actor=actor,
            reason=reason,
            evidence={**evidence, "approved": target.is_approved, "forced": force},
        )


@reaching_tracking()
def rollback(engine: Engine, *, model_name: str, actor: str, reason: str) -> PromotionResult:
    """Bring back the champion before this one, with its tokenizer and ID table: they are in its bundle.

    Called again it goes one further back. Versions that exist no more are passed over.
    """
    with _alone(engine, model_name) as lease:
        now = _reconcile(engine, model_name).champion
        for earlier in reversed(_line_of_champions(promotions(engine, model_name))[:-1]):
            target = find_version(model_name, earlier) if earlier not in (None, now) else None
            if target is None or target.bundle_digest is None:
                continue
            return _move(
                engine,
                lease,
                "rollback",
                model_name,
                target,
                previous=now,
                verdict=target.verdict or "none",
                actor=actor,
                reason=reason,
                evidence={},
            )
        return _refused(now, f"{model_name} has no earlier champion to go back to; {_name(now)} stays.")


@reaching_tracking()
def apply_approvals(engine: Engine, *, model_name: str, actor: str = "reviewer") -> PromotionResult | None:
    """Promote the newest version that a reviewer approved in MLflow's UI; None if no approval is pending.

    Pending is the approval of a version that is newer than the champion and never was champion: an approval
    that was acted on, or overtaken, does not come back by itself.
    """
    reconcile(engine, model_name)
    before = aliases(model_name).get(CHAMPION)
    were = {entry.version for entry in promotions(engine, model_name)}
    pending = [
        version
        for version in approved_versions(model_name)
        if version.version not in were and int(version.version) > int(before or 0)
    ]
    if not pending:
        return None
    newest = pending[-1]
    return promote(
        engine,
        model_name=model_name,
        version=newest.version,
        expected_champion=before,
        verdict=newest.verdict or "none",
        actor=actor,
        reason=f"approved in MLflow ({APPROVAL_TAG}: {APPROVED})",
        evidence={},
    )


@reaching_tracking()
def reconcile(engine: Engine, model_name: str) -> PromotionResult:
    """Bring alias and ledger together; moved=True if the alias had to be moved.

    Called first by everything here; call it when a process may have died in a promotion.
    """
    with _alone(engine, model_name):
        return _reconcile(engine, model_name)


def _reconcile(engine: Engine, model_name: str) -> PromotionResult:
    client = MlflowClient()
    now = aliases(model_name).get(CHAMPION)
    entries = promotions(engine, model_name)
    last = entries[-1] if entries else None
    recorded = last.version if last else None
    if last is not None and last.id != _entry_tag(client, model_name):
        target = find_version(model_name, last.version) if last.version else None
        if target is not None and now in (last.previous_version, last.version):
            _point(client, target, last.id)
            reason = f"entry {last.id} of the ledger was interrupted and is finished now."
            return _result(target, previous=now, moved=now != last.version, reason=reason, ledger_id=None)
    if now == recorded:
        return _refused(now, "ledger and alias agree.")
    reason = (
        f"found {_name(now)} as champion where the ledger says {_name(recorded)}: the alias was moved, or "
        f"its version deleted, {OUTSIDE}."
    )
    entry = append_promotion(
        engine,
        action="promote",
        model=model_name,
        version=now,
        previous_version=recorded,
        expected_version=recorded,
        verdict="none",
        actor=OUTSIDE,
        reason=reason,
        evidence={},
    )
    if now is not None:
        client.set_registered_model_tag(model_name, ENTRY_TAG, str(entry))
    return PromotionResult(moved=False, champion=now, previous=recorded, reason=reason, ledger_id=entry)


def _move(
    engine: Engine,
    lease: Lease,
    action: Action,
    model_name: str,
    target: RegisteredVersion,
    *,
    previous: str | None,
    verdict: str,
    actor: str,
    reason: str,
    evidence: dict[str, Any],
) -> PromotionResult:
    """Ledger, alias, tag, in this order; `previous` is champion and was found to be the expected one."""
    carried = {name: target.tags.get(f"recloop.{name}") for name in ("bundle", "tokenizer", "id_table")}
    lease.ensure_held()
    entry = append_promotion(
        engine,
        action=action,
        model=model_name,
        version=target.version,
        previous_version=previous,
        expected_version=previous,
        verdict=verdict,
        actor=actor,
        reason=reason,
        evidence=evidence | carried,
    )
    crash_point(f"{action}:after-ledger")
    _point(MlflowClient(), target, entry)
    done = f"champion is {_name(target.version)}, before it {_name(previous)}."
    return _result(target, previous=previous, moved=True, reason=done, ledger_id=entry)


def _point(client: MlflowClient, target: RegisteredVersion, entry: int) -> None:
    """Let the alias follow an entry of the ledger. What is champion is no longer challenger."""
    client.set_registered_model_alias(target.name, CHAMPION, target.version)
    crash_point("promotion:after-alias")
    if aliases(target.name).get(CHALLENGER) == target.version:
        client.delete_registered_model_alias(target.name, CHALLENGER)
    client.set_registered_model_tag(target.name, ENTRY_TAG, str(entry))


def _objection(target: RegisteredVersion, verdict: str, force: bool) -> str | None:
    """Why this version may not become champion, or None; without a bundle it could not be served at all."""
    if target.bundle_digest is None:
        return f"{target.uri} was not registered by recloop: it holds no bundle to serve from."
    if force or target.is_approved:
        return None
    if verdict != target.verdict:
        return (
            f"{target.uri} is tagged {target.verdict}, not {verdict}: it was judged anew. Look at it again."
        )
    if verdict != PROMOTE:
        return (
            f"the verdict on {target.uri} is {verdict}. Only {PROMOTE} moves the champion; a reviewer may "
            f"set the tag {APPROVAL_TAG}: {APPROVED} in MLflow, or force it with a reason for the ledger."
        )
    return None


def _line_of_champions(entries: list[PromotionEntry]) -> list[str | None]:
    """The champions that led to the current one, oldest first; what was rolled back is not among them."""
    line: list[str | None] = []
    for entry in entries:
        if entry.action == "rollback" and entry.version in line:
            del line[len(line) - line[::-1].index(entry.version) :]
        else:
            line.append(entry.version)
    return line


@contextmanager
def _alone(engine: Engine, model_name: str) -> Iterator[Lease]:
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


def _entry_tag(client: MlflowClient, model_name: str) -> int:
    try:
        tags = client.get_registered_model(model_name).tags
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return 0
    return int(tags.get(ENTRY_TAG, 0))


def _result(
    target: RegisteredVersion, *, previous: str | None, moved: bool, reason: str, ledger_id: int | None
) -> PromotionResult:
    return PromotionResult(
        moved=moved,
        champion=target.version,
        previous=previous,
        reason=reason,
        ledger_id=ledger_id,
        tokenizer=target.tags.get("recloop.tokenizer"),
        id_table=target.tags.get("recloop.id_table"),
    )


def _refused(champion: str | None, reason: str) -> PromotionResult:
    return PromotionResult(moved=False, champion=champion, previous=champion, reason=reason, ledger_id=None)


def _name(version: str | None) -> str:
    return "no version" if version is None else f"version {version}"
