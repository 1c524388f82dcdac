"""Prefect, cut off at a request of a flow that runs a stage of ours under the lease."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults import killed_worlds
from tests.faults.child import done, import_once
from tests.faults.cut_off import Call, Point, Service
from tests.faults.home import files_of, rows_of
from tests.faults.wire import Wire

_PATIENCE = ("PREFECT_CLIENT_MAX_RETRIES", "PREFECT_API_REQUEST_TIMEOUT", "PREFECT_LOGGING_LEVEL")
_TAKES = 14.0  # seconds of a slow answer: more than a try waits
POINTS = (
    Point(name="token", call="flow", what="^GET /api/csrf-token", slow=_TAKES),
    Point(name="flow: create", call="flow", what="^POST /api/flows/ ", slow=_TAKES),
    Point(name="flow run: create", call="flow", what="^POST /api/flow_runs/ ", slow=_TAKES),
    Point(name="flow run: read", call="flow", what="^GET /api/flow_runs/", slow=_TAKES),
    Point(
        name="flow run: running", call="flow", what="^POST /api/flow_runs/.*/set_state .*RUNNING", slow=_TAKES
    ),
    Point(
        name="flow run: completed",
        call="flow",
        what="^POST /api/flow_runs/.*/set_state .*COMPLETED",
        slow=_TAKES,
    ),
    Point(name="flow run: tags", call="flow", what="^PATCH /api/flow_runs/", slow=_TAKES),
    Point(name="sweep: runs that died", call="flow", what="^POST /api/flow_runs/filter", slow=_TAKES),
    Point(
        name="sweep: a run left running", call="flow again", what="^POST /api/flow_runs/filter", slow=_TAKES
    ),
    Point(name="artifact: create", call="flow", what="^POST /api/artifacts/", slow=_TAKES),
    Point(name="logs", call="flow", what="^POST /api/logs/", slow=_TAKES),
    Point(name="events", call="flow", what="^GET /api/events/in", slow=_TAKES),
    Point(name="deployment: read", call="deployment", what="^GET /api/deployments/name/", slow=_TAKES),
    Point(
        name="deployment: start",
        call="deployment",
        what="^POST /api/deployments/.*/create_flow_run",
        slow=_TAKES,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Room:
    """A home with a snapshot, and a name of its own for its runs."""

    name: str
    home: Path
    road: str
    past: str


@contextmanager
def prefect(scratch: Path, *, short: bool) -> Iterator[Service]:
    """Started as a home has it."""
    del short
    import_once("flows.training", "flows.retraining_lease")
    from flows.local.servers import running_servers
    from tests.flows.local.test_servers import settings_in

    settings = settings_in(scratch / "servers")
    settings.home.mkdir(parents=True)
    with running_servers(settings, needed=("prefect",)):
        yield Service(
            name="Prefect", port=settings.prefect_port, protocol="http",
            calls=_calls(scratch, settings.prefect_api_url), points=POINTS, is_told=_is_told,
            address="Prefect at http://127.0.0.1:{road} ", stays=("error",), back=3.0,
        )  # fmt: skip


def _calls(scratch: Path, past: str) -> dict[str, Call]:
    def fresh(wire: Wire, name: str) -> Room:
        room = Room(name=name, home=scratch / name, road=f"{wire.address}/api", past=past)
        room.home.mkdir()
        done(partial(_laid_out, room))
        return room

    return {
        "flow": Call(fresh=fresh, work=_flow, seen=_seen),
        "flow again": Call(fresh=fresh, work=_flow_again, seen=_seen),
        "deployment": Call(fresh=fresh, work=_start, seen=_started),
    }


@contextmanager
def _asking(room: Room, address: str) -> Iterator[None]:
    """Prefect's settings as recloop gives them; they are read once a process, and this one was forked."""
    from prefect import settings as known

    from flows.engine_environment import engine_environment
    from flows.settings import Settings

    # what Prefect asks, and what recloop says that it asked
    os.environ |= {"RECLOOP_HOME": str(room.home), "PREFECT_API_URL": address}
    shipped = engine_environment(Settings(home=room.home))
    told = {getattr(known, name): shipped[name] for name in _PATIENCE}
    with known.temporary_settings(updates={**told, known.PREFECT_API_URL: address}):
        yield


def _laid_out(room: Room) -> None:
    killed_worlds.landed(room.home)
    killed_worlds.snapshot(room.home)
    with _asking(room, room.past), _client() as client:
        flow = client.create_flow_from_name(room.name)
        client.create_deployment(flow_id=flow, name="nightly")


@contextmanager
def _as_a_command() -> Iterator[None]:
    """What it fails with is what a person is told."""
    from flows.cli.prefect_refusal import prefect_refusal

    try:
        yield
    except Exception as error:
        raise prefect_refusal(error) or error from error


def _is_told(error: BaseException) -> bool:
    from flows.cli.prefect_refusal import PrefectUnreachable

    return isinstance(error, PrefectUnreachable)


def _client() -> Any:
    from prefect.client.orchestration import get_client

    return get_client(sync_client=True)


def _flow(room: Room) -> None:
    """Alone, as a retraining: a stage that counts, and a link."""
    from datetime import UTC, datetime

    from prefect import flow
    from prefect.artifacts import create_link_artifact
    from prefect.logging.handlers import APILogHandler

    from components.artifact import ArtifactRef
    from flows.retraining_lease import begun_here, only_retraining
    from flows.snapshots import Snapshots
    from flows.training import count_popularity

    (folder,) = (room.home / "artifacts" / "snapshot").glob("[!.]*")
    digest = json.loads((folder / "manifest.json").read_text())["digest"]
    ref = ArtifactRef(kind="snapshot", digest=digest, path=str(folder))
    end = datetime(2024, 3, 1, tzinfo=UTC)
    snapshots = Snapshots(
        train=ref, window=ref, now=ref, cut=end, end=end, train_events=45, window_events=45, late_events=0
    )

    @flow(name=room.name)
    def cut_off() -> None:
        with only_retraining():
            count_popularity("r", snapshots)
            create_link_artifact(key="struck", link="http://127.0.0.1", link_text="a link")

    with _asking(room, room.road), _as_a_command(), begun_here():
        cut_off()
        APILogHandler().flush()  # as at the end of a process


def _flow_again(room: Room) -> None:
    """After two that claim to run still, and carry no warehouse's tag: one of this process, one of a dead one."""
    from prefect import flow
    from prefect.context import TagsContext
    from prefect.states import Running

    from components.data.lease import this_process
    from flows.retraining_lease import begun_here

    with _asking(room, room.past), _client() as client, begun_here():
        mine = TagsContext.get().current_tags
        dead = {tag.replace(this_process(), done(this_process)) for tag in mine}
        for tags in (mine, dead):
            client.create_flow_run(flow(name=room.name)(lambda: None), tags=tags, state=Running())
    _flow(room)


def _seen(room: Room) -> dict[str, Any]:
    """One stage, its artifacts, and no run that still claims to run; how the others ended is Prefect's own to say."""
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName

    with _asking(room, room.past), _client() as client:
        runs = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[room.name])))
    states = {run.state_name for run in runs}
    rows = rows_of(room.home, without=("peak_mb",))
    claims = sorted(states - {"Completed", "Crashed", "Failed"})
    assert not claims, f"runs are {claims} that nobody runs"  # not of an undisturbed call either
    return {
        "files": files_of(room.home, "artifacts"), "journal": rows["stage_journal"],
        "done": "Completed" in states,
    }  # fmt: skip


def _start(room: Room) -> None:
    """As a webhook or a person starts a deployment: again is the same run."""
    with _asking(room, room.road), _as_a_command(), _client() as client:
        deployment = client.read_deployment_by_name(f"{room.name}/nightly")
        client.create_flow_run_from_deployment(deployment.id, idempotency_key=room.name)


def _started(room: Room) -> int:
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName

    with _asking(room, room.past), _client() as client:
        return len(client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[room.name]))))
