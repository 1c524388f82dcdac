"""A run's page tells parameters, data sets, users' metrics and cost; told twice it tells the same."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from components.registry import tracking
from components.registry.energy import EnergyReading, joules_between, read_energy
from components.registry.run_facts import (
    SnapshotSource,
    conclude_run,
    cost_of,
    describe_run,
    log_cost,
    log_dataset,
    log_params,
    log_user_metrics,
)
from components.registry.short import short
from components.registry.tracking import TrackingRun


@dataclass(frozen=True)
class Inner:
    learning_rate: float = 1e-3
    layers: tuple[int, ...] = (64, 32)


@dataclass(frozen=True)
class Config:
    name: str = "tiger"
    since: datetime = datetime(1998, 1, 1, tzinfo=UTC)
    device: str | None = None
    inner: Inner = field(default_factory=Inner)


def test_a_stages_configuration_is_flat_parameters(run: TrackingRun):
    for _ in range(2):
        log_params(run, "train", Config())
        log_params(run, "replay", {"k": 10, "notes": "x" * 7000})
    params = MlflowClient().get_run(run.run_id).data.params
    assert len(params.pop("replay.notes")) == 6000
    assert params == {
        "train.name": "tiger",
        "train.since": "1998-01-01 00:00:00+00:00",
        "train.device": "null",
        "train.inner.learning_rate": "0.001",
        "train.inner.layers": "[64, 32]",
        "replay.k": "10",
    }


def test_more_parameters_than_a_request_takes(run: TrackingRun):
    log_params(run, "many", {str(number): number for number in range(250)})
    assert len(MlflowClient().get_run(run.run_id).data.params) == 250


def test_a_stage_that_is_worked_anew_tells_its_new_values(run: TrackingRun):
    """MLflow refuses to change a parameter; a cycle must not die of that after an upgrade."""
    log_params(run, "replay", {"champion": None, "k": 10})
    log_params(run, "replay", {"champion": "1", "k": 10, "more": 2})
    found = MlflowClient().get_run(run.run_id).data
    assert found.params == {"replay.champion": "null", "replay.k": "10", "replay.more": "2"}
    assert {key: value for key, value in found.tags.items() if key.startswith("replay")} == {
        "replay.champion": "1"
    }


def test_a_snapshot_is_a_data_set_by_its_digest(run: TrackingRun):
    for _ in range(2):
        log_dataset(
            run,
            name="movielens",
            digest="5" * 64,
            path="/snapshots/5",
            context="training",
            profile={"num_events": 90_570},
        )
    (found,) = MlflowClient().get_run(run.run_id).inputs.dataset_inputs
    dataset = found.dataset
    assert (dataset.name, dataset.digest, dataset.source_type) == ("movielens", "5" * 12, "recloop_snapshot")
    assert json.loads(dataset.profile) == {"num_events": 90_570}
    assert [(tag.key, tag.value) for tag in found.tags] == [("mlflow.data.context", "training")]
    source = SnapshotSource.from_json(dataset.source)
    assert (source.load(), source.sha256) == ("/snapshots/5", "5" * 64)


def test_users_metrics_are_a_table_without_anybody_twice(run: TrackingRun):
    table = pd.DataFrame(
        {"user_id": [str(n) for n in range(2500)], "arm": "tiger", "ndcg@10": [n / 2500 for n in range(2500)]}
    )
    for _ in range(2):
        log_user_metrics(run, table, name="replay")
    client = MlflowClient()
    tags = client.get_run(run.run_id).data.tags
    assert json.loads(tags["mlflow.loggedArtifacts"]) == [{"path": "per_user/replay.json", "type": "table"}]
    shown = client.load_table(run.experiment_id, "per_user/replay.json", run_ids=[run.run_id])
    assert shown["user_id"].astype(str).tolist() == [str(n) for n in range(2000)]
    assert shown["ndcg@10"].iloc[1] == 0.0004
    whole = client.download_artifacts(run.run_id, "per_user/replay.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(whole), table)


def test_a_cost_tells_what_is_known(run: TrackingRun):
    """Half an hour at 4 an hour is 2."""
    log_cost(run, cost_of(seconds=1800, peak_mb=512, rate_per_hour=4))
    describe_run(run, source="recloop retrain", description="**cycle**")
    found = MlflowClient().get_run(run.run_id).data
    assert found.metrics == {"cost/seconds": 1800, "cost/peak memory MiB": 512, "cost/money": 2}
    assert (found.tags["mlflow.source.name"], found.tags["mlflow.note.content"]) == (
        "recloop retrain",
        "**cycle**",
    )


def test_a_run_is_concluded_by_name_and_explains_its_metrics(run: TrackingRun):
    tracking.log_facts(run, metrics={"replay/NDCG at 10": 0.4, "unheard of": 1})
    for _ in range(2):
        conclude_run(run, name="shop: HOLD", description="**HOLD**")
    log_cost(run, cost_of(seconds=1, peak_mb=2))
    found = MlflowClient().get_run(run.run_id)
    assert found.info.run_name == "shop: HOLD"
    note = found.data.tags["mlflow.note.content"]
    assert note.startswith("**HOLD**\n\n| metric | what it says |")
    assert "| replay/NDCG at 10 | hits in the first 10, weighted by rank; 1 is the best order |" in note
    assert [name for name in found.data.metrics if f"| {name} |" not in note] == ["unheard of"]


def test_digests_are_short_to_read_and_whole_in_a_tag(run: TrackingRun):
    log_params(run, "replay", {"digest": "a" * 64, "k": 10})
    found = MlflowClient().get_run(run.run_id).data
    assert found.params == {"replay.digest": "a" * 12, "replay.k": "10"}
    assert found.tags["recloop.replay.digest"] == "a" * 64
    assert short("b" * 40 + "+dirty") == "b" * 12 + "+dirty"
    assert short("beef") == "beef"


def zone(root: Path, name: str, used: int, wraps: int = 1_000_000) -> None:
    (root / name).mkdir(exist_ok=True)
    (root / name / "energy_uj").write_text(f"{used}\n")
    (root / name / "max_energy_range_uj").write_text(f"{wraps}\n")


def test_energy_is_the_sum_of_packages_over_a_wrap(tmp_path: Path):
    """Package 0: 900,000 to 100,000 wraps at 1,000,000, so 200,000; package 1: 300,000; together 0.5 J."""
    zone(tmp_path, "intel-rapl:0", 900_000)
    zone(tmp_path, "intel-rapl:1", 100_000)
    zone(tmp_path, "intel-rapl:0:0", 5)  # a part of package 0
    before = read_energy(tmp_path)
    zone(tmp_path, "intel-rapl:0", 100_000)
    zone(tmp_path, "intel-rapl:1", 400_000)
    assert joules_between(before, read_energy(tmp_path)) == pytest.approx(0.5)


def test_a_machine_that_tells_no_energy_has_none(tmp_path: Path):
    assert read_energy(tmp_path) is None
    zone(tmp_path, "intel-rapl:0", 1)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("what")
    assert read_energy(tmp_path) is None
    some = EnergyReading(counters={"intel-rapl:0": (1, 10)})
    assert joules_between(None, some) is None
    assert joules_between(some, EnergyReading(counters={})) is None
