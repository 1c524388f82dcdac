"""A small world, and the real command line at work on it; what it left is read without recloop's own queries."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterTags,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.data.sources.synthetic import small_world
from flows.engine_environment import engine_environment
from flows.retraining_lease import warehouse_tag
from flows.settings import Settings
from tests.flows.loaded import loaded, outside

ROOT = Path(__file__).resolve().parents[2]
WORLD = small_world()  # 250 returning users in the first window and 290 in the second; the gate asks for 200


@dataclass(frozen=True, kw_only=True)
class Home:
    """The state of one dataset, and the environment in which `recloop` works on it."""

    data: Path  # folder of events and items
    settings: Settings  # its home is where `demo --data` keeps this dataset

    @property
    def environ(self) -> dict[str, str]:
        """What a process finds that works on this home, and nothing of what the tests were started with."""
        ours = {
            "RECLOOP_MODEL_NAME": self.settings.model_name,
            "RECLOOP_PREFECT_PORT": str(self.settings.prefect_port),
            "RECLOOP_MLFLOW_PORT": str(self.settings.mlflow_port),
            "OMP_NUM_THREADS": "1",
        }
        return outside() | engine_environment(self.settings) | ours

    @property
    def demo(self) -> tuple[str, ...]:
        """The command that makes this home, a folder named for its data."""
        home = ("--home", str(self.settings.home.parent))
        return (*home, "demo", "--data", str(self.data), "--preset", "quick")

    def recloop(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a process of its own, to its end; `settings` stand in its environment."""
        if os.environ.get("TESTS_AFRESH"):
            return self.recloop_afresh(*arguments, **settings)
        return loaded().recloop(arguments, self.environ | settings)

    def recloop_afresh(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """The same, by an interpreter that loads what the command needs, as a person's does."""
        return subprocess.run(
            [sys.executable, "-m", "flows.cli", *arguments],
            cwd=ROOT,
            env=self.environ | settings,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )

    @contextmanager
    def running(
        self, *arguments: str, **settings: str
    ) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
        """Run a command that stays: its process, and the lines that it prints; killed if it is still there."""
        child = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments],
            cwd=ROOT,
            env=self.environ | {"COLUMNS": "200"} | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert child.stdout is not None
            yield child, iter(child.stdout)
        finally:
            child.kill()
            child.communicate()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the warehouse."""
        database = sqlite3.connect(f"file:{self.settings.home / 'warehouse.db'}?mode=ro", uri=True)
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()

    def journal(self) -> dict[str, int]:
        """Key of each finished stage → when it finished."""
        return dict(self.rows("SELECT key, finished_at FROM stage_journal"))

    def outputs(self, cycle: int) -> dict[str, dict[str, Any]]:
        """Stage → what it gave, of the first (0) or second (1) cycle on record."""
        run = self.rows("SELECT cycle_id FROM cycles ORDER BY as_of")[cycle][0]
        found = self.rows(f"SELECT stage, output FROM stage_journal WHERE run = '{run}'")
        return {stage: json.loads(output) for stage, output in found}

    def evidence(self, cycle: int) -> dict[str, Any]:
        replayed = Path(self.outputs(cycle)["judge"]["replay"]["path"])
        return json.loads((replayed / "evidence.json").read_text())

    @property
    def mlflow(self) -> MlflowClient:
        address = self.settings.mlflow_tracking_uri
        return MlflowClient(tracking_uri=address, registry_uri=address)

    def champion(self) -> str | None:
        """The version that MLflow's alias names."""
        return self.mlflow.get_registered_model(self.settings.model_name).aliases.get("champion")

    def version_tags(self) -> dict[str, dict[str, str]]:
        """Registered version → its tags, oldest first."""
        found = self.mlflow.search_model_versions(f"name = '{self.settings.model_name}'")
        return {str(v.version): dict(v.tags) for v in sorted(found, key=lambda v: int(v.version))}

    def download(self, version: str, folder: Path) -> Path:
        """The files of a registered version, as its server gives them."""
        mlflow.set_tracking_uri(self.settings.mlflow_tracking_uri)  # a download of `models:/` asks no client
        mlflow.set_registry_uri(self.settings.mlflow_tracking_uri)
        uri = f"models:/{self.settings.model_name}/{version}"
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))

    def ledger(self) -> list[tuple[str, str | None, str | None]]:
        """(action, version, version before) of every entry, oldest first."""
        return self.rows("SELECT action, version, previous_version FROM promotions ORDER BY id")

    def flow_runs(self) -> list[tuple[str, FlowRun]]:
        """(flow, run) of everything that Prefect knows of this warehouse, oldest first."""
        mine = FlowRunFilter(tags=FlowRunFilterTags(all_=[warehouse_tag(self.settings)]))
        with self._prefect() as client:
            runs = client.read_flow_runs(flow_run_filter=mine)
            names = {flow: client.read_flow(flow).name for flow in {run.flow_id for run in runs}}
        return [(names[run.flow_id], run) for run in sorted(runs, key=lambda run: run.created)]

    def states_of(self, run: FlowRun) -> list[str]:
        """The states that a run went through, oldest first."""
        with self._prefect() as client:
            return [state.type.value for state in client.read_flow_run_states(run.id)]

    def tasks_of(self, run: FlowRun) -> list[tuple[str, str | None]]:
        """(task run, state) of everything that a run did, by name."""
        mine = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        with self._prefect() as client:
            return sorted(
                (task.name, task.state_name) for task in client.read_task_runs(flow_run_filter=mine)
            )

    def edges_of(self, run: FlowRun) -> dict[str, set[str]]:
        """Task or sub-flow of a run → whose results it takes, as Prefect's page draws it."""
        mine = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        with self._prefect() as client:
            tasks = client.read_task_runs(flow_run_filter=mine)
        names = {task.id: task.name.removesuffix("-0") for task in tasks}
        for task in tasks:  # a sub-flow is a task of its parent, and what it gave is known by its own run
            if task.state and (child := task.state.state_details.child_flow_run_id):
                names[child] = names[task.id]
        return {
            names[task.id]: {
                names[one.id]
                for taken in task.task_inputs.values()
                for one in taken
                if getattr(one, "id", None) in names
            }
            for task in tasks
        }

    def log_of(self, run: FlowRun) -> list[str]:
        """The lines that Prefect's page of a run shows, those of its tasks included."""
        mine = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
        with self._prefect() as client:
            return [line.message for line in client.read_logs(log_filter=mine)]

    def replay_runs(self) -> list[Run]:
        """MLflow's runs of replays outside a cycle."""
        client = self.mlflow
        experiment = client.get_experiment_by_name(f"{self.settings.model_name}-replays")
        assert experiment is not None
        return list(client.search_runs([experiment.experiment_id]))

    def artifacts(self) -> list[Artifact]:
        """Of all runs of the Prefect server."""
        with self._prefect() as client:
            return client.read_artifacts()

    @contextmanager
    def _prefect(self) -> Iterator[SyncPrefectClient]:
        with (
            temporary_settings({PREFECT_API_URL: self.settings.prefect_api_url}),
            get_client(sync_client=True) as client,
        ):
            yield client
