"""Ingest: a batch is checked against its contracts, then lands whole or not at all."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_link_artifact, create_table_artifact

from components.artifact import ArtifactRef, digest_of, publish, verified
from components.data import ingest as landing
from components.data import queries
from components.data.batch import read_checked, write_checked
from components.data.contracts.batch_check import ContractConfig, TooMuchBad, batch_digest, check_batch
from flows.request import CycleRequest
from flows.settings import load_settings
from flows.source import read_batch
from flows.stages import Outcome, run_once
from flows.state import warehouse


@flow(name="ingest", flow_run_name="ingest-until-{request.as_of:%Y-%m-%d}")
def ingest(run: str, request: CycleRequest) -> tuple[Outcome, Outcome]:
    """Check the batch [since, as_of) of the source, quarantine bad rows, land the rest."""
    checked = check(run, request)
    return checked, land(run, checked.output)


@task(task_run_name="check-{request.source}")
def check(run: str, request: CycleRequest) -> Outcome:
    """Hold the batch against its contracts. A batch that is bad beyond the limit stops the run here."""
    settings = load_settings()
    batch = read_batch(request)
    known_items = queries.item_ids(warehouse())

    def work() -> dict[str, Any]:
        config = ContractConfig(max_bad_event_share=request.max_bad_share)
        try:
            found = check_batch(
                batch, as_of=request.as_of, known_items=known_items, gx_root=settings.gx_root, config=config
            )
        except TooMuchBad as breaker:
            landing.stop_batch(warehouse(), breaker.checked, str(breaker))
            raise
        ref = publish(
            settings.artifacts,
            "checked_batch",
            lambda folder: write_checked(found, folder),
            parents={"received": found.digest},
            config={"as_of": request.as_of.isoformat()},
        )
        bad = len(found.quarantined)
        return {
            "batch": ref.to_dict(),
            "received_digest": found.digest,
            "data_docs": found.data_docs,
            "received": len(batch.events),
            "note": f"{len(batch.events):,} events, {len(batch.items):,} items; {bad} rows to quarantine",
        }

    outcome = run_once(
        "check batch",
        run=run,
        inputs={
            "batch": batch_digest(batch),
            "known_items": digest_of(sorted(known_items - set(batch.items["item_id"]))),
        },
        config={"as_of": request.as_of.isoformat(), "max_bad_share": request.max_bad_share},
        rooms=("data",),
        work=work,
    )
    create_link_artifact(
        key="data-docs", link=outcome.output["data_docs"], link_text="Data Docs of this batch"
    )
    return outcome


@task
def land(run: str, checked: dict[str, Any]) -> Outcome:
    """Put the checked rows into the warehouse, in one transaction."""

    def work() -> dict[str, Any]:
        ref = ArtifactRef(**checked["batch"])
        verified(ref.path)
        result = landing.land_batch(warehouse(), read_checked(Path(ref.path)))
        reasons = queries.quarantine_reasons(warehouse(), batch_id=result.batch_id)
        note = (
            f"{result.received:,} events = {result.accepted:,} accepted + {result.quarantined} quarantined "
            f"+ {result.duplicates} duplicates"
        )
        return {"result": asdict(result), "reasons": reasons, "note": note}

    outcome = run_once(
        "land batch",
        run=run,
        inputs={"batch": checked["batch"]["digest"]},
        config={},
        rooms=("data",),
        work=work,
    )
    create_table_artifact(
        key="batch", table=[outcome.output["result"] | {"reasons": outcome.output["reasons"]}]
    )
    return outcome
