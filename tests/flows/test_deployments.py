"""Deployments on a real server, run by a real worker: by the clock, by name, and one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowFilter,
    FlowFilterName,
)
from prefect.client.schemas.objects import FlowRun
from prefect.events import Event
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.data.lease import hold_lease
from components.data.warehouse import open_warehouse
from flows.warehouse import RETRAINING
from tests.flows.conftest import Estate
from tests.flows.worlds import Home

pytestmark = pytest.mark.timeout(1200)

NEVER = "0 3 29 2 *"
T = TypeVar("T")

ENDED = {"Completed", "Failed", "Crashed", "Cancelled", "Skipped"}


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A home whose deployments run in a pool of its own."""

    home: Home
    cron: str

    @property
    def settings(self) -> dict[str, str]:
        return {
            "RECLOOP_SOURCE": str(self.home.data),
            "RECLOOP_PRESET": "quick",
            "RECLOOP_RETRAIN_CRON": self.cron,
            "RECLOOP_WORK_POOL": self.home.settings.model_name,
        }

    def deploy(self) -> str:
        done = self.home.recloop("--home", str(self.home.settings.home), "deploy", **self.settings)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def worker(self) -> Iterator[None]:
        with self.home.running("--home", str(self.home.settings.home), "worker", **self.settings) as (
            child,
            lines,
        ):
            assert "worker of pool" in next(lines)
            yield
            child.terminate()
            child.wait()

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        with (
            temporary_settings({PREFECT_API_URL: self.home.settings.prefect_api_url}),
            get_client(sync_client=True) as client,
        ):
            yield client

    def standing(self) -> tuple[dict[str, tuple[str, list[str]]], dict[str, str]]:
        """Deployment → its id, and the crons that are active; automation → its id."""
        with self.client() as client:
            flows = {flow.id: flow.name for flow in client.read_flows()}
            deployments = {
                f"{flows[found.flow_id]}/{found.name}": (
                    str(found.id),
                    [getattr(s.schedule, "cron", "") for s in found.schedules],
                )
                for found in client.read_deployments()
            }
            return deployments, {found.name: str(found.id) for found in client.read_automations()}

    def tell_of_drift(self) -> None:
        """The event that `recloop monitor` emits, by its name and resource."""
        model = self.home.settings.model_name
        with self.client() as client:
            event = Event(
                event="recloop.drift.detected", resource={"prefect.resource.id": f"recloop.model.{model}"}
            )
            client._client.post("/events", json=[event.model_dump(mode="json")]).raise_for_status()

    def runs(self, name: str) -> list[FlowRun]:
        flow, deployment = name.split("/")
        with self.client() as client:
            return client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
                deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[deployment])),
            )

    def run(self, name: str, **parameters: object) -> FlowRun:
        """Start one by name; the run when it has ended."""
        with self.client() as client:
            found = client.read_deployment_by_name(name)
            started = client.create_flow_run_from_deployment(found.id, parameters=parameters)
            return until(lambda: _if_ended(client.read_flow_run(started.id)))


def test_the_clock_starts_a_cycle_and_one_that_overlaps_is_skipped(estate: Estate, world: Path) -> None:
    """While somebody retrains, what the clock starts is skipped with the reason; afterwards it trains."""
    home = estate.home("by-the-clock", world)
    deployment = Deployment(home=home, cron="* * * * *")
    told = deployment.deploy()
    assert "retrain/scheduled" in told
    before = deployment.standing()
    assert before[0]["retrain/scheduled"][1] == ["* * * * *"]
    assert "by-the-clock: retrain on drift" in before[1]
    deployment.deploy()
    assert deployment.standing() == before

    def ended(state: str, name: str = "retrain/scheduled") -> FlowRun | None:
        done = (run for run in deployment.runs(name) if run.state_name == state)
        return next(done, None)

    with deployment.worker():
        warehouse = open_warehouse(home.settings.warehouse_url.get_secret_value())
        with hold_lease(warehouse, RETRAINING, owner="somebody else"):
            deployment.tell_of_drift()
            skipped = until(lambda: ended("Skipped"))
            by_event = until(lambda: ended("Skipped", "retrain/on-demand"))
        trained = until(lambda: ended("Completed"))
    assert skipped.auto_scheduled
    assert trained.auto_scheduled
    assert skipped.state is not None
    assert not by_event.auto_scheduled
    assert "'retraining' is held by somebody else" in str(skipped.state.message)
    assert len(home.rows("SELECT cycle_id FROM cycles")) == 1
    assert home.champion() == "1"


def test_what_is_started_by_name_runs_in_the_worker(finished: Home) -> None:
    deployment = Deployment(home=finished, cron=NEVER)
    deployment.deploy()
    with deployment.worker():
        replayed = deployment.run("replay/on-demand", challenger="2", champion="1")
        others = [deployment.run(name) for name in ("approvals/poll", "recommend/nightly", "monitor/hourly")]
    assert [run.state_name for run in (replayed, *others)] == ["Completed"] * 4
    assert list((finished.settings.home / "reports").glob("*.html"))


def until(found: Callable[[], T | None], *, seconds: float = 500.0) -> T:
    end = time.monotonic() + seconds
    while (now := found()) is None:
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(1.0)
    return now


def _if_ended(run: FlowRun) -> FlowRun | None:
    return run if run.state_name in ENDED else None
