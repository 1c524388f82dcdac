"""Two registered versions on one window of the warehouse: a verdict that moves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import flow

from components.artifact import ArtifactRef, digest_of, present
from components.data import cycles, queries
from components.evaluation.contenders import Contender, Incumbent
from components.evaluation.evidence import ReplayEvidence
from components.evaluation.plan import Mode
from components.evaluation.profile_file import SHIPPED, profile_of
from components.event_weights import event_weights_text, read_event_weights
from components.recommender.names import CONTENT_ARMS
from components.registry import tracking, versions
from components.registry.bundle import Bundle, open_bundle
from components.registry.metric_names import arm_metric
from components.report.subject import Subject
from components.tokenizer.id_table import IDS_FILE, read_id_table
from components.tokenizer.ids import read_ids
from flows.carried import CarriedIds
from flows.item_content import encoders_space
from flows.local.console import warning_line
from flows.record import read_record
from flows.release import incumbent
from flows.replay import replay
from flows.replay_window import ReplayWindow
from flows.request import ProfileName
from flows.semantic_ids import identify_cold
from flows.settings import load_settings
from flows.snapshots import Snapshots, freeze
from flows.summary import CycleSummary
from flows.tracked_replay import track_replay
from flows.training import count_popularity
from flows.warehouse import warehouse
from flows.weighted_types import check_weights


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What there is to tell of a comparison."""

    evidence: ReplayEvidence
    report: Path
    mlflow: str  # address of the run; "" where it could not be made


@flow(name="replay", flow_run_name="compare-{challenger}-with-{champion}")
def compare_versions(
    challenger: str,
    champion: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    profile: ProfileName = "small",
    gate: dict[str, Any] | None = None,
    mode: Mode = "rolling",
    filter_seen: bool = True,
    event_weights: str | None = None,
) -> Compared:
    """Replay `challenger` against `champion` (default: the champion of now) on [start, end).

    The window begins where the challenger's training ended, unless told otherwise, and reaches to the last
    event. The baselines are counted anew before it; cold items are asked for in a second pass, as a cycle does.

    Args:
        challenger: A registered version, such as 3.
        champion: The version that it is held against. None: the champion of now.
        start: Of the window, UTC. None: where the challenger's training ended.
        end: Of the window, UTC. None: the last event.
        profile: Of the gate, sized to the data.
        gate: Fields of a profile of your own, in place of these (docs/how-to/gate-profiles.md).
        mode: Rolling: a list before every event. Batch: one list a user, at the cut.
        filter_seen: Off where people take things again: repeats count, in lists and in truth.
        event_weights: Of event types, such as view=0: in popularity, and, where 0, in no truth. None: as the
            settings say, else as in the last cycle.
    """
    settings, asked = load_settings(), profile_of(gate) if gate else SHIPPED[profile]()
    tracking.configure(settings.mlflow_tracking_uri)
    against = champion or versions.require_champion(settings.model_name).version
    both = [_version(challenger), _version(against)]
    cut = start or both[0].train_end
    snapshots = freeze(cut, end or queries.event_time_quantile(warehouse(), 1.0) or cut)
    finished = cycles.cycles(warehouse())
    last = read_record(finished[-1]).told if finished else None
    weights = weights_of_comparison(event_weights, last)
    check_weights(snapshots, weights, filter_seen=filter_seen)
    run = digest_of(
        [
            "compare",
            snapshots.train.digest,
            snapshots.window.digest,
            challenger,
            against,
            asked.hash,
            mode,
            filter_seen,
            *filter(None, [weights]),
        ]
    )
    counted = count_popularity(run, snapshots, weights).output
    contenders = [_contender(name, one) for name, one in zip(("challenger", "champion"), both, strict=True)]
    contenders += [Contender(name=name, artifact=arm, train_end=cut) for name, arm in counted.arms.items()]
    window = ReplayWindow(
        snapshots=snapshots, profile=asked, mode=mode, filter_seen=filter_seen, event_weights=weights,
        cold_ids=_cold_ids(run, both, snapshots),
    )  # fmt: skip
    source = last.source if last else None
    subject = Subject(
        data=Path(source).name if source else "", challenger=both[0].told, champion=both[1].told
    )
    replayed = replay(run, window, tuple(contenders), ("challenger",), "champion", source, subject)
    evidence, judged = replayed.evidence, replayed.judged.output
    tracked = track_replay(
        judged.replay,
        replayed.rendered.output.report,
        name=f"{challenger} with {against}: {judged.verdict}",
        verdict=judged.verdict,
        metrics={arm_metric(mean.arm, mean.metric): mean.mean for mean in evidence.arms},
    )
    return Compared(evidence=evidence, report=replayed.page, mlflow=tracked)


def weights_of_comparison(asked: str | None, last: CycleSummary | None) -> str:
    """The line of weights, as asked, by the settings, or as the last cycle had them: it may have read recloop.yaml."""
    told = asked or load_settings().event_weights or (last.event_weights if last else "")
    return event_weights_text(read_event_weights(told))


def _version(version: str) -> Incumbent:
    settings = load_settings()
    return incumbent(version, versions.download_bundle(settings.model_name, version, settings.artifacts))


def _contender(name: str, version: Incumbent) -> Contender:
    return Contender(
        name=name, artifact=version.bundle, folder="arm", train_end=version.train_end,
        reads_cold_ids=version.tokenizer is not None,
    )  # fmt: skip


def _cold_ids(run: str, versions: Sequence[Incumbent], snapshots: Snapshots) -> ArtifactRef | None:
    """IDs of what appeared in the window, for the second pass; None where the two could not be told of them alike.

    They stand beside the latest table that was made before the cut and holds every ID that either was trained on.
    """
    if any(version.has_seen(snapshots.cut) for version in versions):
        return None  # invalid already
    readers = [open_bundle(version.bundle.path) for version in versions if version.tokenizer]
    for cycle in reversed(cycles.cycles(warehouse())):
        kept = read_record(cycle)
        may = cycle.train_cutoff <= snapshots.cut and _holds_all(kept.carried, readers)
        if may and _encodes_for_all(kept.carried, versions):
            with_content = any(version.arm in CONTENT_ARMS for version in versions)
            return identify_cold(
                run, kept.told.source, snapshots, kept.carried, kept.told.mapping, with_content
            ).output.ids
    warning_line(
        "cold items have no pass of their own: no ID table and encoders from before the cut are here that both share"
    )
    return None


def _encodes_for_all(carried: CarriedIds, versions: Sequence[Incumbent]) -> bool:
    """Whether what a version that reads content would be told of is in the space that it reads."""
    spaces = {version.content_space for version in versions if version.content_space}
    return not spaces or (present(carried.encoders.path) and spaces == {encoders_space(carried.encoders)})


def _holds_all(carried: CarriedIds, readers: Sequence[Bundle]) -> bool:
    """Whether this table is here, of the tokenizer of all readers, and holds every ID that they were trained on."""
    if any(bundle.facts.tokenizer != carried.tokenizer.digest for bundle in readers):
        return False
    if not all(present(ref.path) for ref in (carried.encoders, carried.tokenizer, carried.ids)):
        return False
    table = read_id_table(carried.ids)
    return all(table.holds(read_ids(min(bundle.path.rglob(IDS_FILE)))) for bundle in readers)
