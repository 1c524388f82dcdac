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
from components.registry.bundle import ID_TABLE, open_bundle
from components.tokenizer.ids import read_ids
from flows.asking import Contender
from flows.cold import identify_cold
from flows.console import warning_line
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
    event. The baselines are counted anew before it; cold items are asked for in a second pass, as a cycle does.
    Returns the evidence, the path of the report, and the address of its run in MLflow.
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
        cold_ids=_cold_ids(run, contenders[:2], cut, window.to_dict()),
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
    return evidence, str(report_page(published)), tracked


def _contender(name: str, version: str) -> Contender:
    settings = load_settings()
    bundle = versions.download_bundle(settings.model_name, version, settings.artifacts)
    facts = open_bundle(bundle.path).facts
    return Contender(
        name=name,
        arm=bundle.to_dict(),
        folder="arm",
        train_end=facts.train_end,
        digest=bundle.digest,
        reads_cold_ids=facts.tokenizer is not None,
    )


def _cold_ids(
    run: str, contenders: list[Contender], cut: datetime, window: dict[str, str]
) -> dict[str, str] | None:
    """IDs of what appeared in the window, for the second pass; None where the two could not be told of them alike.

    They stand beside the latest table that was made before the cut and holds every ID that either was trained on.
    """
    if any(datetime.fromisoformat(contender.train_end) > cut for contender in contenders):
        return None  # invalid already
    readers = [
        b for b in (open_bundle(contender.arm["path"]) for contender in contenders) if b.facts.tokenizer
    ]
    trained_on = [read_ids(_id_table(bundle.path)) for bundle in readers]
    for cycle in reversed(cycles.cycles(warehouse())):
        carried = cycle.summary["carried"]
        is_theirs = all(bundle.facts.tokenizer == carried["tokenizer"]["digest"] for bundle in readers)
        is_here = all(Path(ref["path"]).exists() for ref in carried.values())
        if cycle.train_cutoff > cut or not is_theirs or not is_here:
            continue
        table = read_ids(_id_table(Path(carried["ids"]["path"])))
        if all(table.holds(own) for own in trained_on):
            source = cycle.summary["told"]["source"]
            ref: dict[str, str] = identify_cold(run, source, window, carried).output["cold_ids"]
            return ref
    warning_line(
        "cold items have no pass of their own: no ID table from before the cut is here that both share"
    )
    return None


def _id_table(folder: Path) -> Path:
    return min(folder.rglob(ID_TABLE))
