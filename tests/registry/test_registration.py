"""One bundle makes one version, of an upload that was read back, however often and however interrupted."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.artifact import ArtifactDamaged, ArtifactNewer
from components.registry.bundle import Bundle
from components.registry.registration import register_bundle
from components.registry.tracking import NonFiniteMetric, TrackingRun
from components.registry.versions import (
    NoSuchVersion,
    RegisteredVersion,
    aliases,
    download_bundle,
    resolve,
    versions,
)
from tests.registry.conftest import artifact_folder, flip_byte, make_bundle
from tests.registry.crashing import killed_at

METRICS = {"ndcg@10": 0.0625, "hr@10": 0.125}


def register(
    bundle: Bundle, run: TrackingRun, model_name: str, verdict: str = "HOLD", **more: object
) -> RegisteredVersion:
    settings = {"metrics": METRICS, "tags": {"recloop.commit": "0ff1ce"}, **more}
    return register_bundle(bundle, run=run, model_name=model_name, verdict=verdict, **settings)


def test_a_version_carries_every_id_and_what_a_reader_needs(tmp_path: Path, bundle: Bundle, run: TrackingRun):
    page = tmp_path / "report.html"
    page.write_text("<p>report</p>")
    registered = register(bundle, run, "carries", reports=[page])

    facts = bundle.facts
    assert registered.tags == {
        "recloop.bundle": bundle.digest,
        "recloop.verdict": "HOLD",
        "recloop.arm": "popularity",
        "recloop.train_end": facts.train_end,
        "recloop.snapshot": facts.snapshot,
        "recloop.feature_set": facts.feature_set,
        "recloop.tokenizer": facts.tokenizer,
        "recloop.id_table": facts.id_table,
        "recloop.seed": str(facts.seed),
        "recloop.code": facts.code,
        "recloop.commit": "0ff1ce",
    }
    assert (registered.version, registered.run_id) == ("1", run.run_id)
    assert resolve("carries", "challenger") == registered
    client = MlflowClient()
    card = client.get_model_version("carries", "1").description
    assert "popularity: HOLD" in card
    assert "| NDCG@10 | 0.0625 |" in card
    assert client.get_run(run.run_id).data.metrics["replay/NDCG at 10"] == 0.0625
    assert [file.path for file in client.list_artifacts(run.run_id, "reports")] == ["reports/report.html"]


def test_registered_twice_is_still_one_version_with_the_newer_verdict(
    tmp_path: Path, bundle: Bundle, run: TrackingRun
):
    first = register(bundle, run, "twice", "HOLD")
    again = register(bundle, run, "twice", "PROMOTE")
    assert (first.version, again.version, len(versions("twice"))) == ("1", "1", 1)
    assert again.verdict == "PROMOTE"
    assert "popularity: PROMOTE" in MlflowClient().get_model_version("twice", "1").description


def test_who_started_the_first_run_of_a_bundle_stays_its_starter(bundle: Bundle, run: TrackingRun):
    """Else somebody could start it again and let the first starter approve it."""
    assert register(bundle, run, "starter", started_by="ada").started_by == "ada"
    assert register(bundle, run, "starter", started_by="bob").started_by == "ada"
    assert register(bundle, run, "starter").started_by == "ada"


def test_another_bundle_is_another_version_and_the_new_challenger(
    tmp_path: Path, bundle: Bundle, run: TrackingRun
):
    register(bundle, run, "another")
    second = register(make_bundle(tmp_path, seed=bundle.facts.seed + 1000), run, "another")
    assert second.version == "2"
    assert aliases("another") == {"challenger": "2"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_no_number_is_refused_before_anything_is_made(
    tmp_path: Path, bundle: Bundle, run: TrackingRun, value: float
):
    with pytest.raises(NonFiniteMetric, match="Hit rate at 10"):
        register(bundle, run, "nan", metrics={"hr@10": value})
    assert versions("nan") == []


@pytest.mark.parametrize(
    "point",
    [
        "after-facts",
        "after-pending",
        "after-upload",
        "after-log",
        "after-model",
        "after-create",
        "after-alias",
    ],
)
def test_killed_and_asked_again_there_is_one_version_of_one_upload(
    tmp_path: Path, bundle: Bundle, run: TrackingRun, point: str
):
    model_name = f"killed-{point}"
    killed_at(f"register:{point}", lambda: register(bundle, run, model_name))
    registered = register(bundle, run, model_name)
    assert [version.version for version in versions(model_name)] == ["1"]
    assert aliases(model_name) == {"challenger": "1"}
    assert registered.bundle_digest == bundle.digest
    uploads = MlflowClient().search_logged_models([run.experiment_id], f"source_run_id = '{run.run_id}'")
    assert [upload.model_uri for upload in uploads] == [registered.source]


@pytest.mark.parametrize("point", ["after-card", "after-tag"])
def test_a_new_verdict_that_was_killed_half_written_is_written_whole(
    bundle: Bundle, run: TrackingRun, point: str
):
    """HOLD, then PROMOTE of the same replay: after the kill both tag and card come to tell the second."""
    model_name = f"retold-{point}"
    register(bundle, run, model_name, verdict="HOLD")
    killed_at(f"register:{point}", lambda: register(bundle, run, model_name, verdict="PROMOTE"))
    register(bundle, run, model_name, verdict="PROMOTE")
    version = MlflowClient().get_model_version(model_name, "1")
    assert version.description.startswith("## popularity: PROMOTE")
    assert version.tags["recloop.verdict"] == "PROMOTE"
    assert len(versions(model_name)) == 1


def test_a_damaged_upload_is_not_registered_but_uploaded_again(
    tmp_path: Path, bundle: Bundle, run: TrackingRun
):
    killed_at("register:after-log", lambda: register(bundle, run, "damaged"))
    (upload,) = MlflowClient().search_logged_models([run.experiment_id], f"source_run_id = '{run.run_id}'")
    flip_byte(Path(upload.artifact_location) / "artifacts" / bundle.path.name / "items.parquet")
    registered = register(bundle, run, "damaged")
    assert registered.source != upload.model_uri
    assert download_bundle("damaged", "1", tmp_path / "elsewhere").digest == bundle.digest


def test_an_upload_of_a_newer_release_is_refused_and_stays(bundle: Bundle, run: TrackingRun):
    killed_at("register:after-log", lambda: register(bundle, run, "newer"))
    uploads = MlflowClient().search_logged_models([run.experiment_id], f"source_run_id = '{run.run_id}'")
    path = Path(uploads[0].artifact_location) / "artifacts" / bundle.path.name / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(ArtifactNewer, match="has format 2"):
        register(bundle, run, "newer")
    assert path.exists()
    left = MlflowClient().search_logged_models([run.experiment_id], f"source_run_id = '{run.run_id}'")
    assert [one.model_id for one in left] == [one.model_id for one in uploads]


def test_a_bundle_is_fetched_once_and_checked(tmp_path: Path, bundle: Bundle, run: TrackingRun):
    registered = register(bundle, run, "fetched")
    ref = download_bundle("fetched", "1", tmp_path / "elsewhere")
    assert ref.digest == bundle.digest
    flip_byte(artifact_folder(registered) / "items.parquet")
    assert download_bundle("fetched", "1", tmp_path / "elsewhere") == ref
    with pytest.raises(ArtifactDamaged, match=r"items\.parquet"):
        download_bundle("fetched", "1", tmp_path / "third")
    flip_byte(Path(ref.path) / "items.parquet")
    with pytest.raises(ArtifactDamaged, match=r"items\.parquet"):
        download_bundle("fetched", "1", tmp_path / "elsewhere")


def test_a_version_that_is_not_there_names_those_that_are(tmp_path: Path, bundle: Bundle, run: TrackingRun):
    with pytest.raises(NoSuchVersion, match="none is registered yet"):
        download_bundle("absent", "1", tmp_path)
    register(bundle, run, "present")
    with pytest.raises(NoSuchVersion, match="has no version '9': there are 1"):
        download_bundle("present", "9", tmp_path)
