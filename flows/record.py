"""Finished cycles on record: what was told, what the next cycle carries on, and whether it still holds."""

from __future__ import annotations

from functools import cache
from typing import Any

from components.artifact import digest_of, verified
from components.data import cycles
from components.data.contracts.batch_check import batch_digest
from flows.request import CycleRequest
from flows.source import read_batch
from flows.stages import code_digest
from flows.state import warehouse
from flows.summary import CycleSummary

_ROOMS = ("data", "evaluation", "features", "recommender", "registry", "serving", "tokenizer")


def cycle_id(request: CycleRequest) -> str:
    """A cycle is what was asked for: the same request is the same cycle, continued or told again."""
    return digest_of(request.model_dump(mode="json"))


def keep_cycle(
    request: CycleRequest,
    summary: CycleSummary,
    *,
    received: str,
    carried: dict[str, Any],
    bundle: dict[str, str],
) -> None:
    """Put a finished cycle on record. `received` is the digest of the batch as it came from the source."""
    cycles.record_cycle(
        warehouse(),
        cycle_id=cycle_id(request),
        as_of=request.as_of,
        train_cutoff=request.train_cutoff,
        verdict=summary.verdict,
        versions={"challenger": summary.version, "champion": summary.champion_after},
        summary={
            "told": summary.to_dict(),
            "carried": carried,
            "bundle": bundle,
            "received": received,
            "code": _code(),
        },
    )


def carried_into(request: CycleRequest) -> dict[str, Any] | None:
    """Encoders, tokenizer and ID table of the latest cycle before this one; None if there is none."""
    earlier = [cycle for cycle in cycles.cycles(warehouse()) if cycle.as_of < request.as_of]
    return earlier[-1].summary["carried"] if earlier else None


def finished_cycle(request: CycleRequest) -> CycleSummary | None:
    """The summary on record, if this very batch went through this very code and the bundle is whole."""
    found = [cycle for cycle in cycles.cycles(warehouse()) if cycle.cycle_id == cycle_id(request)]
    if not found or found[0].summary["code"] != _code():
        return None
    kept = found[0].summary
    if kept["received"] != batch_digest(read_batch(request)):
        return None
    verified(kept["bundle"]["path"])
    return CycleSummary.from_dict(kept["told"])


@cache
def _code() -> str:
    return digest_of([code_digest(room) for room in _ROOMS])
