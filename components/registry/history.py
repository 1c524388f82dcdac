"""The history of champions, for people: the ledger's entries as rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from components.data.ledger import PromotionEntry, promotions

if TYPE_CHECKING:
    from components.data.warehouse import Engine

Kind = Literal["promoted", "approved", "forced", "rolled back", "withdrawn", "put back", "adopted"]


@dataclass(frozen=True, kw_only=True)
class HistoryRow:
    """One move of the champion. `kind` says on whose word it moved.

    `promoted` on a verdict, `approved` by a reviewer, `forced` against both; `rolled back` by a person,
    `withdrawn` by a smoke test; moved by hand in MLflow and `adopted` or `put back`.
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


def history(engine: Engine, model_name: str) -> list[HistoryRow]:
    """Every move, oldest first; needs the warehouse only, not MLflow."""
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
        )
        for entry in promotions(engine, model_name)
    ]


def _kind(entry: PromotionEntry) -> Kind:
    told = entry.evidence
    if entry.action == "rollback":
        if "failed_entry" in told:
            return "withdrawn"
        return "put back" if told.get("put_back") else "rolled back"
    if told.get("adopted") or "approved" not in told:
        return "adopted"
    if told.get("forced"):
        return "forced"
    return "approved" if told["approved"] else "promoted"
