"""Two registered versions on one window of the warehouse: a verdict that moves nothing."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import flow

from components.artifact import digest_of
from components.data import cycles, queries, snapshot
from components.evaluation.plan import Mode
from components.registry import versions
from components.registry.bundle import open_bundle
from flows.asking import Contender
from flows.replay import replay, report_page
from flows.settings import load_settings
from flows.state import warehouse
from flows.tracked_replay import track_replay
from flows.training import train_baselines


@flow(name="compare-versions", flow_run_name="compare-{challenger}-with-{champion}")
def compare_versions(
    challenger: str,
    champion: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    profile: str = "small",
    mode: Mode = "rolling",
    filter_seen: bool = True,
) -> tuple[dict[str, Any], str, str]:
    """Replay `challenger` against `champion` (default: the champion of now) on [start, end).

    The window begins where the challenger's training ended, unless told otherwise, and reaches to the last
    event. The baselines are counted anew before it. Returns the evidence, the path of the report, and
    the address of its run in MLflow.
    """
    settings = load_settings()
    against = champion or versions.require_champion(settings.model_name).version
    contenders = [_contender("challenger", challenger), _contender("champion", against)]
    cut = start or datetime.fromisoformat(contenders[0].train_end)
    until = end or queries.event_time_quantile(warehouse(), 1.0)
    train = snapshot.take_snapshot(warehouse(), settings.artifacts, end=cut)
    window = snapshot.take_snapshot(warehouse(), settings.artifacts, start=cut, end=until or cut)
    run = digest_of(["compare", train.digest, window.digest, challenger, against, profile, mode, filter_seen])
    counted = train_baselines(run, train.to_dict()).output
    contenders += [
        Contender(name=name, arm=arm, folder="", train_end=cut.isoformat(), digest=arm["digest"])
        for name, arm in counted.items()
    ]
    finished = cycles.cycles(warehouse())
    replayed = replay(
        run,
        train.to_dict(),
        window.to_dict(),
        contenders,
        "challenger",
        "champion",
        profile,
        mode,
        filter_seen,
        source=finished[-1].summary["told"]["source"] if finished else None,
    )
    judged = replayed[-1]
    published, verdict = judged.output["replay"], judged.output["verdict"]
    evidence = json.loads((Path(published["path"]) / "evidence.json").read_text())
    tracked = track_replay(
        published,
        name=f"{challenger} with {against}: {verdict}",
        verdict=verdict,
        metrics={f"{arm['arm']}/{arm['metric']}": arm["mean"] for arm in evidence["arms"]},
    )
    return evidence, str(report_page(published)), tracked.output["url"]


def _contender(name: str, version: str) -> Contender:
    settings = load_settings()
    bundle = versions.download_bundle(settings.model_name, version, settings.artifacts)
    learned = open_bundle(bundle.path).facts.train_end
    return Contender(name=name, arm=bundle.to_dict(), folder="arm", train_end=learned, digest=bundle.digest)
