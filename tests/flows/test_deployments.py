"""Deployments on a real server, run by a real worker: by the clock, by name, one after the other, and killed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import psutil
import pytest
from prefect import Flow
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
from prefect.utilities.callables import parameter_schema

from components.data.lease import hold_lease
from components.data.warehouse import open_warehouse
from flows.comparison import compare_versions
from flows.deployed import monitor, recommend, retrain
from flows.settings import LOOPBACK
from flows.warehouse import RETRAINING
from tests.flows.conftest import Estate
from tests.flows.receivers import Received, webhook
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
    hook: Received  # where messages go
    crashed_after_seconds: int = 90

    @property
    def settings(self) -> dict[str, str]:
        return {
            "RECLOOP_SOURCE": str(self.home.data),
            "RECLOOP_PRESET": "quick",
            "RECLOOP_RETRAIN_CRON": self.cron,
            "RECLOOP_WORK_POOL": self.home.settings.model_name,
            "RECLOOP_NOTIFY_WEBHOOK": f"http://{LOOPBACK}:{self.hook.port}/a-token",
            "RECLOOP_CRASHED_AFTER_SECONDS": str(self.crashed_after_seconds),
            "PREFECT_WORKER_QUERY_SECONDS": "1",  # 10 as it comes: what is started by name would wait for the next
        }

    def deploy(self) -> str:
        done = self.home.recloop("--home", str(self.home.settings.home), "deploy", **self.settings)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[str]]:
        with self.home.running("--home", str(self.home.settings.home), "worker", **self.settings) as (
            child,
            lines,
        ):
            assert "worker of pool" in next(lines)
            yield child
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
        """The event that `recloop monitor` emits, by its name, resource and words."""
        model = self.home.settings.model_name
        with self.client() as client:
            event = Event(
                event="recloop.drift.detected",
                resource={"prefect.resource.id": f"recloop.model.{model}"},
                payload={"title": f"{model}: drift", "text": "as a look would say it"},
            )
            client._client.post("/events", json=[event.model_dump(mode="json")]).raise_for_status()

    def runs(self, name: str) -> list[FlowRun]:
        flow, deployment = name.split("/")
        with self.client() as client:
            return client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
                deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[deployment])),
            )

    def start(self, name: str, **parameters: object) -> UUID:
        """Start one by name; its id."""
        with self.client() as client:
            found = client.read_deployment_by_name(name)
            return client.create_flow_run_from_deployment(found.id, parameters=parameters).id

    def ended(self, run: UUID) -> FlowRun:
        """The run, when it has ended."""
        with self.client() as client:
            return until(lambda: _if_ended(client.read_flow_run(run)))

    def run(self, name: str, **parameters: object) -> FlowRun:
        """Started anew where the clock had started one just before: of two at once the second is cancelled."""
        while (found := self.ended(self.start(name, **parameters))).state_name == "Cancelled":
            pass
        return found


@pytest.fixture(scope="module")
def clocked(estate: Estate, world: Path) -> Iterator[Deployment]:
    with webhook() as hook:
        yield Deployment(home=estate.home("by-the-clock", world), cron=NEVER, hook=hook)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a killed worker leaves its children behind")
def test_a_run_whose_machine_died_is_marked_and_told(clocked: Deployment) -> None:
    """Worker and run are gone in the midst of a cycle, so nobody is left to tell Prefect; the lease is free."""
    home, deployment = clocked.home, replace(clocked, crashed_after_seconds=40)
    deployment.deploy()
    with deployment.worker() as worker:
        started = deployment.start("retrain/on-demand")
        until(lambda: _stages(home) >= 3 or None)
        everything = psutil.Process(worker.pid).children(recursive=True)
        assert any("engine" in " ".join(process.cmdline()) for process in everything)
        for process in (psutil.Process(worker.pid), *everything):
            process.kill()
    dead = deployment.ended(started)
    (called,) = (run.id for flow, run in home.flow_runs() if flow == "retraining-cycle")
    cycle = deployment.ended(called)
    for run in (dead, cycle):
        assert home.states_of(run)[-2:] == ["RUNNING", "CRASHED"]
        assert run.state is not None
        assert str(run.state.message).startswith("No heartbeat for 40 s")
    told = until(lambda: deployment.hook.about("retrain/on-demand crashed"))
    assert str(dead.id) in told.text
    assert not home.rows("SELECT cycle_id FROM cycles")


def test_the_clock_starts_a_cycle_and_one_that_overlaps_is_skipped(clocked: Deployment) -> None:
    """While somebody retrains, what the clock starts is skipped with the reason; afterwards it trains, and goes on
    from the run that died. The verdict is told, and what was skipped is not.
    """
    home, deployment = clocked.home, replace(clocked, cron="* * * * *")
    told = deployment.deploy()
    assert "messages to custom-webhook/by-the-clock-webhook" in told
    assert "a-token" not in told
    assert "retrain/scheduled" in told
    assert "backfill/on-demand" in told
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
    assert "Failed" not in {run.state_name for _, run in home.flow_runs()}  # nothing red in what was skipped
    assert skipped.auto_scheduled
    assert trained.auto_scheduled
    assert skipped.state is not None
    assert not by_event.auto_scheduled
    assert "'retraining' is held by somebody else" in str(skipped.state.message)
    assert len(home.rows("SELECT cycle_id FROM cycles")) == 1
    assert home.champion() == "1"
    verdict = until(lambda: deployment.hook.about("version 1 is champion"))
    assert verdict.text.startswith("Verdict: PROMOTE. ")
    assert f"Data set: {home.data}" in verdict.text
    assert home.settings.version_url("1") in verdict.text
    subjects = {message.subject for message in deployment.hook.messages}
    assert subjects - {"by-the-clock: retrain/on-demand crashed"} == {  # that was in the test before
        "by-the-clock: PROMOTE, version 1 is champion",
        "by-the-clock: drift",
    }


def test_what_is_started_by_name_runs_in_the_worker(finished: Home) -> None:
    """Each to its end; what fails is told, with the reason and the way to its page."""
    with webhook() as hook:
        deployment = Deployment(home=finished, cron=NEVER, hook=hook)
        deployment.deploy()
        with deployment.worker():
            replayed = deployment.run("replay/on-demand", challenger="2", champion="1")
            others = [
                deployment.run(name) for name in ("approvals/poll", "recommend/nightly", "monitor/hourly")
            ]
            failed = deployment.run("replay/on-demand", challenger="99")
            told = until(lambda: hook.about("replay/on-demand failed"))
    assert [run.state_name for run in (replayed, *others)] == ["Completed"] * 4
    assert list((finished.settings.home / "reports").glob("*.html"))
    assert "99" in told.text.splitlines()[0]
    assert finished.settings.flow_run_url(str(failed.id)) in told.text
    assert len([message for message in hook.messages if "failed" in message.subject]) == 1


@pytest.mark.parametrize(
    "deployed", [retrain, recommend, monitor, compare_versions], ids=lambda flow: flow.name
)
def test_every_field_of_a_form_is_explained_and_choices_are_lists(deployed: Flow[..., object]) -> None:
    schema = parameter_schema(deployed).model_dump()
    forms = [schema["properties"], *(form["properties"] for form in schema["definitions"].values())]
    fields = {name: field for form in forms for name, field in form.items()}
    assert not [name for name, field in fields.items() if not field.get("description")]
    chosen = {"profile", "mode"} | ({"challenger", "preset", "tokenizer"} if deployed is retrain else set())
    assert all(len(fields[name]["enum"]) > 1 for name in chosen & fields.keys())
    if deployed is retrain:
        assert chosen <= fields.keys()
        assert list(forms[1])[:5] == ["source", "challenger", "more_challengers", "profile", "preset"]


def until(found: Callable[[], T | None], *, seconds: float = 500.0) -> T:
    end = time.monotonic() + seconds
    while (now := found()) is None:
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(1.0)
    return now


def _stages(home: Home) -> int:
    """How many stages have ended; none while the warehouse is not there."""
    try:
        return len(home.journal())
    except sqlite3.OperationalError:
        return 0


def _if_ended(run: FlowRun) -> FlowRun | None:
    return run if run.state_name in ENDED else None
