"""Ingest: a batch is checked against its contracts, then lands whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_link_artifact, create_table_artifact

from components.artifact import ArtifactRef, digest_of, publish, verified
from components.data import ingest as landing
from components.data import queries
from components.data.batch import read_checked, write_checked
from components.data.batch_digest import batch_digest
from components.data.contracts.batch_check import TooMuchBad, check_batch
from components.data.erased_users import without_erased_users
from components.data.ingest import BatchResult
from flows.outages import TRIED_AGAIN
from flows.request import BatchRequest
from flows.settings import load_settings
from flows.settled import SettledBatch, settle_batch
from flows.stages import StageResult, key_of, run_once
from flows.warehouse import warehouse


@dataclass(frozen=True, kw_only=True)
class CheckedBatch:
    """A batch that has been held against its contracts, published with what is to be quarantined."""

    batch: ArtifactRef
    received_digest: str  # of the batch as it came from the source
    data_docs: str  # path of its page
    num_events: int
    num_items: int
    num_bad: int  # rows to quarantine

    @property
    def note(self) -> str:
        return f"{self.num_events:,} events, {self.num_items:,} items; {self.num_bad} rows to quarantine"


@dataclass(frozen=True, kw_only=True)
class LandedBatch:
    """What landed, and why the rest did not."""

    result: BatchResult
    reasons: dict[str, int]  # reason code → rows in quarantine

    @property
    def note(self) -> str:
        return (
            f"{self.result.received:,} events = {self.result.accepted:,} accepted + "
            f"{self.result.quarantined} quarantined + {self.result.duplicates} duplicates"
            f"{f', {self.result.late} late' if self.result.late else ''}"
        )


@flow(name="ingest", flow_run_name="ingest {request.called}")
def ingest(
    request: BatchRequest, run: str | None = None, as_of: datetime | None = None
) -> tuple[StageResult[CheckedBatch], StageResult[LandedBatch]]:
    """Check the batch [since, as_of) of the source, quarantine bad rows, land the rest.

    `run` is the cycle that pays for it, and `as_of` its "now"; on its own, an ingestion is a run of its own, and
    settles "now" first. Raises TooMuchBad.
    """
    batch = SettledBatch(request=request, as_of=as_of) if as_of else settle_batch(request)
    paying = run or digest_of(["ingest", request.identity, batch.as_of.isoformat()])
    checked = check(paying, batch)
    return checked, land(paying, checked.output)


@task(task_run_name="check-batch", **TRIED_AGAIN)
def check(run: str, batch: SettledBatch) -> StageResult[CheckedBatch]:
    """Hold the batch against its contracts. A batch that is bad beyond the limit stops the run here."""
    settings = load_settings()
    received = batch.read()
    batch.request.opened_source().item_vectors()  # what cannot be read stops the batch before anything lands
    known_items, digest = queries.item_ids(warehouse()), batch_digest(received)
    key = key_of(
        check, "check batch", run=run,
        facts={
            "batch": digest,
            "known_items": digest_of(sorted(known_items - set(received.items["item_id"]))),
            "as_of": batch.as_of.isoformat(),
            "since": batch.request.since.isoformat() if batch.request.since else None,
            "max_bad_share": batch.request.max_bad_share,
            "max_bad_item_share": batch.request.max_bad_item_share,
            "value_ranges": batch.request.value_ranges,
        },
    )  # fmt: skip

    def work() -> CheckedBatch:
        try:
            found = check_batch(
                received,
                as_of=batch.as_of,
                known_items=known_items,
                gx_root=settings.gx_root,
                config=batch.request.contract,
                since=batch.request.since,
                digest=digest,
            )
        except TooMuchBad as breaker:
            landing.stop_batch(warehouse(), breaker.checked, str(breaker))
            raise
        found = without_erased_users(warehouse(), found)
        ref = publish(
            settings.artifacts,
            "checked_batch",
            lambda folder: write_checked(found, folder),
            parents={"received": found.digest},
            config={"as_of": batch.as_of.isoformat()},
        )
        return CheckedBatch(
            batch=ref,
            received_digest=found.digest,
            data_docs=found.data_docs,
            num_events=len(received.events),
            num_items=len(received.items),
            num_bad=len(found.quarantined),
        )

    checked = run_once(key, CheckedBatch, work)
    page = settings.page_url(Path(checked.output.data_docs))
    create_link_artifact(
        key="data-docs", link=page, link_text="Data Docs of this batch",
        description=f"{checked.output.note}: which rows and why, while `recloop ui` serves the pages",
    )  # fmt: skip
    return checked


@task(task_run_name="land-batch", **TRIED_AGAIN)
def land(run: str, checked: CheckedBatch) -> StageResult[LandedBatch]:
    """Put the checked rows into the warehouse, in one transaction."""
    key = key_of(land, "land batch", run=run, reads={"batch": checked.batch})

    def work() -> LandedBatch:
        verified(checked.batch.path)
        result = landing.land_batch(warehouse(), read_checked(Path(checked.batch.path)))
        reasons = queries.quarantine_reasons(warehouse(), batch_id=result.batch_id)
        return LandedBatch(result=result, reasons=reasons)

    landed = run_once(key, LandedBatch, work)
    create_table_artifact(
        key="batch", table=_rows_of(landed.output),
        description=f"Batch {landed.output.result.batch_id}, digest {landed.output.result.digest[:12]}: "
        f"{landed.output.note}",
    )  # fmt: skip
    return landed


def _rows_of(landed: LandedBatch) -> list[dict[str, str | int]]:
    """What became of every row, as a person adds it up; then the reasons, of which a row may have several."""
    told = landed.result
    reasons: list[dict[str, str | int]] = [
        {"rows": f"reason {code}", "count": count, "of which": ""} for code, count in landed.reasons.items()
    ]
    items = f"{told.items_new:,} new, {told.items_updated:,} changed, {told.items_quarantined:,} quarantined"
    return [
        {"rows": "events received", "count": told.received, "of which": ""},
        {"rows": "accepted", "count": told.accepted, "of which": f"{told.late:,} late"},
        {"rows": "quarantined", "count": told.quarantined, "of which": "see the reasons below"},
        {"rows": "known already", "count": told.duplicates, "of which": ""},
        {"rows": "items received", "count": told.items_received, "of which": items},
        *reasons,
    ]
