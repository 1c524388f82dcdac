"""The way back: which champion stood before this one, by the ledger, and the move to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.data.lease import Lease
from components.data.ledger import PromotionEntry, promotions
from components.registry.moves import PromotionResult, move
from components.registry.versions import find_version

if TYPE_CHECKING:
    from components.data.warehouse import Engine


def go_back(
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
