"""Finished cycles on record: what was told, what is handed to the next cycle, and whether it still holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import TypeAdapter

from components.artifact import ArtifactRef
from components.data import cycles
from components.data.batch_digest import batch_digest
from components.registry.bundled_parts import put_back
from flows.carried import CarriedIds, cycle_before
from flows.item_content import content_of
from flows.settled import SettledCycle
from flows.stage_code import StageCode, union
from flows.stages import all_there
from flows.summary import CycleSummary
from flows.warehouse import warehouse


@dataclass(frozen=True, kw_only=True)
class CycleRecord:
    """All that is kept of a finished cycle, beside its verdict."""

    told: CycleSummary
    carried: CarriedIds
    bundle: ArtifactRef
    received: str  # digest of the batch as it came from the source
    code: StageCode  # of every stage
    item_vectors: str = ""  # digest of the vectors that the source brought; "" where it brought none
    beside: tuple[
        ArtifactRef, ...
    ] = ()  # bundles of the challengers that did not go on, as `told` names them

    @property
    def bundles(self) -> dict[str, ArtifactRef]:
        """By version, of every challenger."""
        others = zip((one.version for one in self.told.beside), self.beside, strict=True)
        return {self.told.version: self.bundle, **dict(others)}


_RECORD = TypeAdapter(CycleRecord)


def keep_cycle(
    cycle: SettledCycle,
    summary: CycleSummary,
    *,
    received: str,
    carried: CarriedIds,
    bundle: ArtifactRef,
    codes: Iterable[StageCode],
    item_vectors: str = "",
    beside: tuple[ArtifactRef, ...] = (),
) -> None:
    """Put a finished cycle on record. `received` is the digest of the batch as it came from the source."""
    kept = CycleRecord(
        told=summary, carried=carried, bundle=bundle, received=received, code=union(codes),
        item_vectors=item_vectors, beside=beside,
    )  # fmt: skip
    cycles.record_cycle(
        warehouse(),
        cycle_id=cycle.id,
        as_of=cycle.as_of,
        train_cutoff=cycle.train_cutoff,
        verdict=summary.verdict,
        versions={"challenger": summary.version, "champion": summary.champion_after}
        | {f"beside: {one.arm}": one.version for one in summary.beside},
        summary=_RECORD.dump_python(kept, mode="json"),
    )


def is_on_record(cycle: SettledCycle) -> bool:
    """Whether this cycle has ended before."""
    return bool(cycles.cycles(warehouse(), cycle_id=cycle.id))


def read_record(cycle: cycles.Cycle) -> CycleRecord:
    """What is kept of a cycle."""
    return _RECORD.validate_python(cycle.summary)


def put_back_carried(cycle: SettledCycle) -> None:
    """Publish a tokenizer or ID table that was cleared away anew, from the bundle of the cycle to go on from.

    Raises ArtifactDamaged.
    """
    if found := cycle_before(cycle.as_of, cycle.request.tokenizer_name):
        kept = read_record(found)
        put_back(kept.bundle, kept.carried.tokenizer, kept.carried.ids)


def finished_cycle(cycle: SettledCycle) -> CycleSummary | None:
    """The summary on record, if this very batch and vectors went through this very code and the bundle is there.

    Raises ArtifactDamaged for a bundle that is not what was published; one that was removed is made anew.
    """
    found = cycles.cycles(warehouse(), cycle_id=cycle.id)
    if not found:
        return None
    kept = read_record(found[0])
    if not kept.code.is_current() or kept.received != batch_digest(cycle.batch.read()):
        return None
    if kept.item_vectors != content_of(cycle.request.source, cycle.request.mapping).digest:
        return None
    return kept.told if all(map(all_there, (kept.bundle, *kept.beside))) else None
