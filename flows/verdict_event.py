"""The event that says how a cycle ended: its name, resource and payload, for automations that send messages.

event     recloop.verdict
resource  prefect.resource.id        recloop.model.<model>
          prefect.resource.name      <model>
          recloop.version            the challenger's version
          recloop.outcome            PROMOTE, HOLD, REJECT or INVALID
          recloop.awaits-approval    "true" where a person is asked, else "false"
payload   model, cycle, source, version, verdict, reasons, champion_before, champion_after, moved, links,
          title, text: the same as a message to people
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefect.events import Event

from components.registry.promotion import PROMOTE
from flows.release import Promoted
from flows.settings import Settings
from flows.summary import CycleSummary
from flows.telling import tell

VERDICT = "recloop.verdict"
OUTCOME, AWAITS_APPROVAL = "recloop.outcome", "recloop.awaits-approval"


def emit_verdict(settings: Settings, told: CycleSummary, promoted: Promoted) -> Event | None:
    """Tell Prefect; None if it could not be told."""
    labels = {
        "recloop.version": told.version,
        OUTCOME: told.verdict,
        AWAITS_APPROVAL: str(awaits_approval(settings, told, promoted)).lower(),
    }
    return tell(VERDICT, settings.model_name, labels, verdict_payload(settings, told, promoted))


def verdict_payload(settings: Settings, told: CycleSummary, promoted: Promoted) -> dict[str, Any]:
    """JSON values."""
    return {
        "model": settings.model_name,
        "cycle": told.cycle_id,
        "source": told.source,
        "version": told.version,
        "verdict": told.verdict,
        "reasons": list(told.reasons),
        "champion_before": told.champion_before,
        "champion_after": told.champion_after,
        "moved": promoted.moved,
        "links": _links(settings, told),
        "title": f"{settings.model_name}: {told.verdict}, {_ending(settings, told, promoted)}",
        "text": "\n".join(_lines(settings, told, promoted)),
    }


def awaits_approval(settings: Settings, told: CycleSummary, promoted: Promoted) -> bool:
    """Whether the verdict would have moved the champion, had the policy not asked for a person."""
    return settings.promotion_policy == "approve" and told.verdict == PROMOTE and not promoted.moved


def _ending(settings: Settings, told: CycleSummary, promoted: Promoted) -> str:
    if awaits_approval(settings, told, promoted):
        return f"version {told.version} waits for approval"
    if promoted.moved:
        return f"version {told.version} is champion"
    return f"version {promoted.champion} stays champion" if promoted.champion else "there is no champion yet"


def _lines(settings: Settings, told: CycleSummary, promoted: Promoted) -> Iterator[str]:
    (challenger,) = (arm for arm in told.arms if arm.role == "challenger")
    yield f"Verdict: {told.verdict}. {'; '.join(told.reasons)}"
    yield f"Data set: {told.source}, until {told.as_of[:16]}Z"
    yield f"Challenger: version {told.version} ({challenger.arm})"
    for beside in told.beside:
        yield f"Also challenged: {beside.told}"
    yield f"Champion: {f'version {told.champion_before}' if told.champion_before else 'none before this cycle'}"
    yield f"NDCG@10: {challenger.ndcg:.4f}; {_lead(told)}"
    if told.verdict == PROMOTE and not promoted.moved:
        yield f"Not promoted: {promoted.reason}"
    for what, where in _links(settings, told).items():
        yield f"{what}: {where}"


def _links(settings: Settings, told: CycleSummary) -> dict[str, str]:
    """What to look at: the report by its address, as the others, and not by its path."""
    report = told.addresses.get("replay report")
    return told.addresses | ({"replay report": settings.page_url(Path(report))} if report else {})


def _lead(told: CycleSummary) -> str:
    """The difference to the champion; while there is none, to the best of the others."""
    rivals = [arm for arm in told.arms if arm.challenger_lead is not None]
    champions = [arm for arm in rivals if arm.role == "champion"]
    rival = max(champions or rivals, key=lambda arm: arm.ndcg, default=None)
    if rival is None:
        return "nothing to compare it with"
    interval = f"[{rival.lead_low:+.4f}, {rival.lead_high:+.4f}]"
    return f"minus that of {rival.arm}: {rival.challenger_lead:+.4f}, interval {interval}"
