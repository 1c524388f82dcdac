"""The report of a replay: drawn from the evaluated lists, kept apart from the evidence.

A page or a style that changed is drawn anew, and no arm is asked or judged again for it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prefect import task

from components.artifact import ArtifactRef, publish
from components.data import snapshot
from components.data.sources.opening import item_images, open_source
from components.evaluation.contenders import Contender
from components.evaluation.evidence import read_evidence
from components.report import render_report
from components.report.subject import Subject
from flows.judging import JudgedReplay, evaluated
from flows.measured_front import read_front
from flows.ranking import RankedLists, read_lists
from flows.replay_window import ReplayWindow
from flows.settings import load_settings
from flows.stages import StageResult, key_of, run_once


@dataclass(frozen=True, kw_only=True)
class RenderedReport:
    report: ArtifactRef  # holds report.html
    told: str = ""  # what it shows

    @property
    def note(self) -> str:
        return ", ".join(filter(None, (self.told, f"digest {self.report.digest[:12]}")))


@task(task_run_name="draw-report")
def render(
    run: str,
    window: ReplayWindow,
    contenders: tuple[Contender, ...],
    lists: tuple[RankedLists, ...],
    judged: JudgedReplay,
    source: str | None,
    subject: Subject,
    front: ArtifactRef | None = None,
) -> StageResult[RenderedReport]:
    """Verdict, evidence as figures, and the lists of users, with titles and the items' own images."""
    settings = load_settings()
    key = key_of(
        render,
        "draw report",
        run=run,
        reads={"replay": judged.replay, "front": front},
        facts={"source": source, "subject": _said(subject)},
    )

    def work() -> RenderedReport:
        evidence = read_evidence(Path(judged.replay.path))
        measured = tuple(sorted(evidence.measured.latency.items()))
        result = evaluated(
            window, contenders, lists, judged.challenger, judged.champion, judged.attempt, measured
        )
        items = snapshot.read_items(window.snapshots.window)
        root = open_source(source, home=settings.sources).media_root if source else None
        page = render_report(
            result,
            window.plan(),
            {ranked.arm: read_lists(ranked.lists) for ranked in lists},
            dict(zip(items["item_id"], items["title"].fillna(""), strict=True)),
            images=item_images(items, root),
            subject=subject,
            front=read_front(front) if front else None,
        )
        ref = publish(
            settings.artifacts,
            "report",
            lambda folder: _write(folder, page),
            parents=key.parents,
            config={},
        )
        told = f"{result.outcome} over {evidence.plan.users:,} users, {len(page) / 1e6:.1f} MB"
        return RenderedReport(report=ref, told=told)

    return run_once(key, RenderedReport, work, computes=True)


def _said(subject: Subject) -> dict[str, Any]:
    """What a key says of it: nothing of a start where no warm start was asked for, nor of one challenger alone."""
    said = asdict(subject)
    if not subject.together:
        said.pop("together")
    if isinstance(subject.start, str) and not subject.start:
        said.pop("start")
    return said


def _write(folder: Path, page: str) -> None:
    (folder / "report.html").write_text(page, encoding="utf-8")
