"""Registration: a bundle is logged once and registered once, whenever and however often it is asked for.

MLflow registers a source that is missing or still on its way, and the same source twice as two versions
(seen with 3.17.2). So: look for the bundle's digest before creating anything, upload under a model that
stays PENDING, read every byte back, and only then call it READY and make a version of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array

from components.artifact import ArtifactDamaged
from components.faults import crash_point
from components.registry import tracking
from components.registry.asked_once import asked_once
from components.registry.bundle import Bundle
from components.registry.card import Judgement, model_card
from components.registry.metric_names import ids_metric, replay_metric
from components.registry.registered import (
    BUNDLE_TAG,
    CHALLENGER,
    CHAMPION,
    STARTER_TAG,
    VERDICT_TAG,
    RegisteredVersion,
    excludes_seen,
)
from components.registry.tracking import TrackingRun, reaching_tracking, refuse_non_finite
from components.registry.versions import aliases, facts_of, fetch_bundle, get_version

LOGGED_NAME = "recommender"
REQUIREMENTS = ("mlflow", "torch", "numpy", "pandas", "pyarrow", "safetensors", "jaxtyping")
SIGNATURE = ModelSignature(
    inputs=Schema(
        [
            ColSpec(DataType.string, "user_id", required=False),
            ColSpec(Array(DataType.string), "item_ids"),
            ColSpec(Array(DataType.long), "times", required=False),
        ]
    ),
    outputs=Schema(
        [
            ColSpec(DataType.string, "user_id"),
            ColSpec(DataType.long, "rank"),
            ColSpec(DataType.string, "item_id"),
            ColSpec(DataType.string, "title"),
            ColSpec(DataType.double, "score"),
            ColSpec(DataType.string, "bundle"),
        ]
    ),
    params=ParamSchema([ParamSpec("k", DataType.long, 10)]),
)
_MODEL_FILE = Path(__file__).with_name("pyfunc_model.py")


@reaching_tracking()
def register_bundle(
    bundle: Bundle,
    *,
    run: TrackingRun,
    model_name: str,
    verdict: str,
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    reports: Sequence[Path] = (),
    judgement: Judgement | None = None,
    started_by: str | None = None,
    is_beside: bool = False,
) -> RegisteredVersion:
    """Make the bundle a version tagged with its ids and verdict, and the challenger unless it is champion.

    `metrics` of the replay, and the tokenizer's health, go to the run and the model card, `judgement` to the
    card, `tags` (full names, such as `recloop.commit`) and `started_by`, the person who started the run, to the
    version, `reports` to the run's folder `reports`. A bundle that is registered already keeps its version, and takes
    the new verdict. One that `is_beside` another of the same run is a version like any, and leaves the run's figures
    and files, and the alias of the challenger, to that one. One process at a time may do this for a model (the
    cycle's lease).

    Raises NonFiniteMetric, ArtifactDamaged if what was uploaded cannot be read back, TrackingUnreachable.
    """
    health = {ids_metric(name): value for name, value in bundle.tokenizer_health().items()}
    refuse_non_finite(figures := {replay_metric(name): value for name, value in metrics.items()} | health)
    client = MlflowClient()
    wanted = _ids(bundle) | dict(tags) | {VERDICT_TAG: verdict}
    wanted |= {STARTER_TAG: started_by} if started_by else {}
    if not is_beside:
        tracking.log_facts(run, metrics=figures, tags={VERDICT_TAG: verdict, BUNDLE_TAG: bundle.digest})
        tracking.log_files(run, reports, folder="reports")
    crash_point("register:after-facts")
    card = model_card(bundle, verdict=verdict, metrics=metrics, tags=tags, judgement=judgement)

    found = client.search_model_versions(f"name = '{model_name}' and tags.`{BUNDLE_TAG}` = '{bundle.digest}'")
    if found:
        registered = facts_of(min(found, key=lambda version: int(version.version)))
        wanted[STARTER_TAG] = registered.started_by or started_by or ""  # the first starter stays the starter
        _retag(client, registered, {name: value for name, value in wanted.items() if value}, card)
    else:
        logged = _log_once(client, bundle, run, wanted)
        crash_point("register:after-log")
        _ensure_model(client, model_name)
        crash_point("register:after-model")
        with asked_once():
            created = client.create_model_version(
                model_name,
                source=logged.model_uri,
                run_id=run.run_id,
                tags=wanted,
                description=card,
                model_id=logged.model_id,
            )
        registered = facts_of(created)
        crash_point("register:after-create")
    now = aliases(model_name)
    if not is_beside and registered.version not in (now.get(CHAMPION), now.get(CHALLENGER)):
        client.set_registered_model_alias(model_name, CHALLENGER, registered.version)
        crash_point("register:after-alias")
    return get_version(model_name, registered.version)


def _ids(bundle: Bundle) -> dict[str, str]:
    """Every id of the design that a version carries, as tags."""
    facts = bundle.facts
    ids = {
        BUNDLE_TAG: bundle.digest,
        "recloop.arm": facts.arm,
        "recloop.train_end": facts.train_end,
        "recloop.snapshot": facts.snapshot,
        "recloop.feature_set": facts.feature_set,
        "recloop.tokenizer": facts.tokenizer,
        "recloop.id_table": facts.id_table,
        "recloop.seed": str(facts.seed),
        "recloop.code": facts.code,
        "recloop.warm_start": facts.warm_start.bundle if facts.warm_start else None,
        "recloop.warm_start_version": facts.warm_start.version if facts.warm_start else None,
    }
    return {name: value for name, value in ids.items() if value is not None}


def _retag(client: MlflowClient, registered: RegisteredVersion, wanted: Mapping[str, str], card: str) -> None:
    """Bring the tags up to date; a tag that stays is not written again.

    The card comes first: whoever was killed before the last tag finds one that differs, and writes both again.
    """
    changed = {name: value for name, value in wanted.items() if registered.tags.get(name) != value}
    if changed:
        client.update_model_version(registered.name, registered.version, description=card)
        crash_point("register:after-card")
    for name, value in sorted(changed.items()):
        client.set_model_version_tag(registered.name, registered.version, name, value)
        crash_point("register:after-tag")


def _log_once(client: MlflowClient, bundle: Bundle, run: TrackingRun, tags: Mapping[str, str]) -> LoggedModel:
    """The READY logged model that holds this bundle, whole; uploaded if there is none.

    What an interrupted upload left, or damage, is deleted: no version was made of it.
    """
    tagged = f"tags.`{BUNDLE_TAG}` = '{bundle.digest}'"
    for model in client.search_logged_models([run.experiment_id], filter_string=tagged):
        if model.status == LoggedModelStatus.READY and _is_whole(model, bundle):
            return model
        client.delete_logged_model(model.model_id)
    with asked_once():
        model = client.create_logged_model(
            run.experiment_id,
            name=LOGGED_NAME,
            source_run_id=run.run_id,
            tags=_ids(bundle),
            model_type="recommender",
        )
    crash_point("register:after-pending")
    _upload(client, model, bundle, run, exclude_seen=excludes_seen(tags))
    crash_point("register:after-upload")
    _read_back(model, bundle)
    return client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def _upload(
    client: MlflowClient, model: LoggedModel, bundle: Bundle, run: TrackingRun, *, exclude_seen: bool
) -> None:
    with tempfile.TemporaryDirectory(prefix="recloop-") as folder:
        local = Path(folder) / "model"
        mlflow.pyfunc.save_model(
            path=str(local),
            python_model=str(_MODEL_FILE),
            artifacts={"bundle": str(bundle.path)},
            model_config={"exclude_seen": exclude_seen},  # as it was judged
            signature=SIGNATURE,
            input_example=_input_example(bundle),
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
            mlflow_model=Model(
                artifact_path=model.artifact_location, run_id=run.run_id, model_id=model.model_id
            ),
        )
        client.log_model_artifacts(model.model_id, str(local))
    client.log_outputs(run.run_id, models=[LoggedModelOutput(model.model_id, step=0)])


def _read_back(model: LoggedModel, bundle: Bundle) -> None:
    with tempfile.TemporaryDirectory(prefix="recloop-") as folder:
        fetch_bundle(model.artifact_location, bundle.digest, Path(folder))


def _is_whole(model: LoggedModel, bundle: Bundle) -> bool:
    try:
        _read_back(model, bundle)
    except ArtifactDamaged:
        return False
    return True


def _input_example(bundle: Bundle) -> pd.DataFrame:
    """One user whose history is the first items of the catalogue."""
    item_ids = bundle.items()["item_id"].head(3).tolist()
    return pd.DataFrame(
        {"user_id": ["example"], "item_ids": [item_ids], "times": [list(range(len(item_ids)))]}
    )


def _ensure_model(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(
            name,
            description="Registered by recloop; its ledger says which version became champion, and why.",
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
