"""Put the deployments of `infra/prefect.yaml` into Prefect: what runs by the clock, and what is started by name."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from flows.automations import Deployments, apply_automations
from flows.channels import apply_channels, remove_unwanted
from flows.engine_environment import engine_environment
from flows.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PREFECT_FILE = ROOT / "infra" / "prefect.yaml"
ON_DEMAND = "retrain/on-demand"  # what drift starts


class DeployFailed(Exception):
    """Prefect refused a work pool or a deployment; the message is Prefect's own."""


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """One deployment as the server holds it."""

    name: str  # "retrain/scheduled", as `prefect deployment run` takes it
    crons: tuple[str, ...]
    work_pool: str
    is_paused: bool


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the server holds after a deploy."""

    deployments: tuple[Deployed, ...]
    automations: tuple[str, ...]  # names
    channels: tuple[str, ...]  # blocks that messages go to, type/name


def deploy(settings: Settings) -> Standing:
    """Make the work pool if it is not there, apply deployments, blocks and automations, and read back what stands now.

    A pool that exists is left as its people have set it up. Applying the same again changes nothing.
    Raises DeployFailed, NoSuchBlock.
    """
    with get_client(sync_client=True) as client:
        if not _has_pool(client, settings.work_pool):
            _prefect(settings, "work-pool", "create", settings.work_pool, "--type", settings.work_pool_type)
        _prefect(settings, "--no-prompt", "deploy", "--all", "--prefect-file", str(PREFECT_FILE))
        channels = apply_channels(client, settings)
        automations = apply_automations(client, settings, _own_deployments(client), channels)
        remove_unwanted(client, settings)
        flows = {flow.id: flow.name for flow in client.read_flows()}
        deployed = (_told(flows[found.flow_id], found) for found in client.read_deployments())
        return Standing(
            deployments=tuple(sorted(deployed, key=lambda told: told.name)),
            automations=automations,
            channels=tuple(channel.name for channel in channels),
        )


def _own_deployments(client: SyncPrefectClient) -> Deployments:
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=["recloop"]))
    return Deployments(
        retrain=client.read_deployment_by_name(ON_DEMAND).id,
        all=[found.id for found in client.read_deployments(deployment_filter=ours)],
    )


def _has_pool(client: SyncPrefectClient, name: str) -> bool:
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        return False
    return True


def _prefect(settings: Settings, *arguments: str) -> None:
    """Prefect's own command line, with the settings that its file names."""
    done = subprocess.run(  # noqa: S603 - this interpreter, and arguments of ours
        [sys.executable, "-m", "prefect", *arguments],
        env=os.environ | engine_environment(settings) | named_in_file(settings),
        cwd=ROOT,  # entrypoints are read from here
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DeployFailed(
            f"prefect {' '.join(arguments)} failed:\n{(done.stdout + done.stderr).strip()[-2000:]}"
        )


def named_in_file(settings: Settings) -> dict[str, str]:
    """What `infra/prefect.yaml` names as {{ $NAME }}."""
    return {
        "RECLOOP_CHECKOUT": str(settings.checkout or ROOT),
        "RECLOOP_WORK_POOL": settings.work_pool,
        "RECLOOP_SOURCE": settings.source,
        "RECLOOP_PRESET": settings.preset,
        "RECLOOP_PROFILE": settings.profile,
        "RECLOOP_RETRAIN_CRON": settings.retrain_cron,
        "RECLOOP_SCORE_CRON": settings.score_cron,
        "RECLOOP_MONITOR_CRON": settings.monitor_cron,
    }


def _told(flow: str, found: DeploymentResponse) -> Deployed:
    crons = tuple(
        str(getattr(schedule.schedule, "cron", schedule.schedule))
        for schedule in found.schedules
        if schedule.active
    )
    return Deployed(
        name=f"{flow}/{found.name}", crons=crons, work_pool=found.work_pool_name or "", is_paused=found.paused
    )
