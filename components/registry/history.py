"""The history of champions, for people: the ledger's entries as rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from components.data.ledger import PromotionEntry, promotions

if TYPE_CHECKING:
    from components.data.warehouse import Engine

Kind = Literal[
    "promoted", "approved", "forced", "rolled back", "withdrawn", "put back", "adopted", "accepted"
]


@dataclass(frozen=True, kw_only=True)
class HistoryRow:
    """One move of the champion. `kind` says on whose word it moved.

    `promoted` on a verdict, `approved` by a reviewer, `forced` against both; `rolled back` by a person,
    `withdrawn` by a smoke test; moved by hand in MLflow and `adopted` or `put back`; `accepted`: MLflow's champion
    was adopted, and the ledger before it, which was broken, taken as it lies.
    """

    entry: int
    at: datetime
    kind: Kind
    version: str | None
    previous: str | None
    verdict: str
    who: str
    reason: str
    replay: str | None  # digest of the evidence
    bundle: str | None
    entry_hash: str


def history(engine: Engine, model_name: str) -> list[HistoryRow]:
    """Every move as it lies, oldest first; needs the warehouse only, not MLflow."""
    return [
        HistoryRow(
            entry=entry.id,
            at=entry.at,
            kind=_kind(entry),
            version=entry.version,
            previous=entry.previous_version,
            verdict=entry.verdict,
            who=entry.actor,
            reason=entry.reason,
            replay=entry.evidence.get("replay"),
            bundle=entry.evidence.get("bundle"),
            entry_hash=entry.entry_hash,
        )
        for entry in promotions(engine, model_name)
    ]


def _kind(entry: PromotionEntry) -> Kind:
    told = entry.evidence
    if entry.action == "rollback":
        if "failed_entry" in told:
            return "withdrawn"
        return "put back" if told.get("put_back") else "rolled back"
    if told.get("accepted"):
        return "accepted"
    if told.get("adopted") or "approved" not in told:
        return "adopted"
    if told.get("forced"):
        return "forced"
    return "approved" if told["approved"] else "promoted"
