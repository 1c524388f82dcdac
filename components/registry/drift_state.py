"""How MLflow's alias stands to the ledger, as a comparison of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from components.registry.registered import CHAMPION, RegisteredModel

if TYPE_CHECKING:
    from components.data.ledger import PromotionEntry

OUTSIDE = "outside recloop"


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How the alias stands to the ledger.

    `agree`; `interrupted`: a move of ours died on its way, and the next promotion or rollback finishes it;
    `moved`: somebody moved the alias, or deleted its version, without recloop; `broken`: the ledger is not what was
    written, so nothing follows from it.
    """

    state: Literal["agree", "interrupted", "moved", "broken"]
    alias: str | None  # the version that MLflow calls champion
    ledger: str | None  # the version that the ledger's last entry made champion
    reason: str


def drift_of(model: RegisteredModel, last: PromotionEntry | None, broken: str = "") -> Drift:
    """Compare a model's alias with the ledger's last entry about it; `broken` is what `ledger_check` says of that."""
    now = model.aliases.get(CHAMPION)
    recorded = last.version if last else None
    if broken:
        return Drift(state="broken", alias=now, ledger=recorded, reason=broken)
    if last is not None and _is_unfinished(model, last, now):
        reason = f"entry {last.id} of the ledger is not finished: {name(recorded)} becomes champion with it."
        return Drift(state="interrupted", alias=now, ledger=recorded, reason=reason)
    if now == recorded:
        return Drift(state="agree", alias=now, ledger=recorded, reason="ledger and alias agree.")
    reason = (
        f"found {name(now)} as champion where the ledger says {name(recorded)}: the alias was moved, or "
        f"its version deleted, {OUTSIDE}."
    )
    return Drift(state="moved", alias=now, ledger=recorded, reason=reason)


def name(version: str | None) -> str:
    return "no version" if version is None else f"version {version}"


def _is_unfinished(model: RegisteredModel, last: PromotionEntry, now: str | None) -> bool:
    """Whether the alias still stands where this entry found it, or the entry's number is not carried yet."""
    if last.id == model.entry or now not in (last.previous_version, last.version):
        return False
    if last.version is None:
        return model.exists
    target = model.version(last.version)
    # another registry under the same name may have such a number too, of another bundle
    return target is not None and target.bundle_digest == last.evidence.get("bundle")
