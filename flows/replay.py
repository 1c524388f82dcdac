"""Replay: the same requests to every arm, then evidence, gate, and report.

Latency is measured here, beside the verdict: it depends on the machine. What is left of the window's alpha is
asked of the ledger before anything is judged, and is an input of the verdict like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from prefect import flow, runtime
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from components.artifact import ArtifactRef
from components.evaluation.contenders import REFERENCE, Contender
from components.evaluation.evidence import ReplayEvidence
from components.evaluation.underpowered import why_underpowered
from components.recommender.baselines.counting import BASELINES
from components.recommender.names import PREFERENCE_ARMS
from components.report.subject import Subject
from flows.judging import JudgedReplay, evidence_of, judge
from flows.local.console import warning_line
from flows.local.site import show_page
from flows.measured_front import MeasuredFront, measure_front
from flows.ranking import RankedLists, rank, read_lists
from flows.replay_window import ReplayWindow
from flows.reporting import RenderedReport, render
from flows.settings import load_settings
from flows.several import JudgedChallengers, judge_challengers
from flows.stages import StageResult, say_in_prefect
from flows.window_alpha import note_verdict, spend_alpha


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A replay from lists to report."""

    ranked: tuple[StageResult[RankedLists], ...]
    rendered: StageResult[RenderedReport]
    page: Path  # the report among the pages that `recloop ui` shows
    challengers: JudgedChallengers
    fronts: tuple[StageResult[MeasuredFront], ...] = ()  # of challengers with several objectives

    @property
    def judged(self) -> StageResult[JudgedReplay]:
        """Of the challenger that goes on."""
        return self.challengers.judged[self.challengers.lead]

    @property
    def stages(self) -> tuple[StageResult, ...]:
        return (*self.ranked, *self.challengers.every, *self.fronts, self.rendered)

    @property
    def evidence(self) -> ReplayEvidence:
        return evidence_of(self.judged.output.replay)


def _run_name() -> str:
    return f"replay {', '.join(runtime.flow_run.parameters['challengers'])}"


@flow(name="replay-window", flow_run_name=_run_name)
def replay(
    run: str,
    window: ReplayWindow,
    contenders: tuple[Contender, ...],
    challengers: tuple[str, ...],
    champion: str | None,
    source: str | None,
    subject: Subject,
) -> Replayed:
    """Ask every contender for its lists, then judge, then draw the report.

    The baselines come first: they show what the window and the profile can tell at all, and that is said
    before the others are asked. The report is of the challenger that goes on, and tells of the others beside it.
    `source` is where the items' images lie, for the report; None leaves them out.
    `subject` is what the report says beyond its evidence: data set, versions, why the tokenizer was refitted.
    """
    first = [contender for contender in contenders if contender.name in BASELINES]
    ranked = [rank(run, window, contender) for contender in first]
    warn_if_underpowered(window, [result.output for result in ranked])
    ranked += [rank(run, window, contender) for contender in contenders if contender not in first]
    lists = tuple(result.output for result in ranked)
    spent = spend_alpha(window, contenders, challengers, champion)
    found = judge_challengers(
        challengers,
        spent,
        lambda challenger, attempt: judge(
            run, window, contenders, lists, challenger, champion, attempt, is_alone=len(challengers) == 1
        ),
    )
    for one in found.judged.values():
        note_verdict(spent, window, one.output)
    judged = found.judged[found.lead].output
    subject = replace(subject, together=found.together)
    fronts = {
        one.name: measure_front(run, window, one, beside)
        for one, beside in preferring(contenders, challengers)
    }
    rendered = render(
        run, window, contenders, lists, judged, source, subject,
        fronts[found.lead].output.front if found.lead in fronts else None,
    )  # fmt: skip
    page = shown_report(judged.replay, rendered.output.report)
    show_in_prefect(judged.replay, page)
    return Replayed(
        ranked=tuple(ranked), rendered=rendered, page=page, challengers=found, fronts=tuple(fronts.values())
    )


def preferring(
    contenders: tuple[Contender, ...], challengers: tuple[str, ...]
) -> Iterator[tuple[Contender, Contender]]:
    """Each challenger that takes preferences, with the reference, which stands in every replay."""
    reference = next((one for one in contenders if one.name == REFERENCE), None)
    for one in contenders:
        if reference and one.name in challengers and one.name in PREFERENCE_ARMS:
            yield one, reference


def warn_if_underpowered(window: ReplayWindow, baselines: list[RankedLists]) -> None:
    """Say before the run that the profile cannot be satisfied on this window, or would miss what is of interest."""
    lists = {ranked.arm: read_lists(ranked.lists) for ranked in baselines}
    if why := why_underpowered(window.plan(), lists, window.profile):
        warning_line(why)
        say_in_prefect(why)


def shown_report(replayed: ArtifactRef, report: ArtifactRef) -> Path:
    """The report among the pages that `recloop ui` shows, copied there if it is not yet."""
    evidence = evidence_of(replayed)
    outcome = evidence.measured.outcome.lower()
    name = f"{evidence.plan.window_end:%Y-%m-%d}-{evidence.challenger}-{outcome}-{replayed.digest[:8]}.html"
    return show_page(load_settings().reports, Path(report.path) / "report.html", name)


def show_in_prefect(replayed: ArtifactRef, page: Path) -> None:
    """The verdict in the log, and as artifacts of the run, with the arms and a link to the report."""
    evidence = evidence_of(replayed)
    reasons = [f"- {reason}" for reason in evidence.measured.reasons]
    say_in_prefect("\n".join([f"verdict: {evidence.measured.outcome}", *reasons]))
    create_markdown_artifact(
        key="verdict", markdown=f"# {evidence.measured.outcome}\n\n" + "\n".join(reasons),
        description="What the gate decided, and why",
    )  # fmt: skip
    create_table_artifact(
        key="arms",
        table=[
            {
                "arm": arm.arm,
                "role": evidence.role_of(arm.arm),
                "NDCG@10": round(arm.mean, 4),
                "lower": round(arm.lower, 4),
                "upper": round(arm.upper, 4),
            }
            for arm in evidence.arms
            if arm.metric == "ndcg@10"
        ],
        description="NDCG@10 of each arm, mean over users with its interval",
    )
    create_link_artifact(
        key="replay-report", link=load_settings().page_url(page), link_text="replay report (under `recloop ui`)",
        description="The whole evidence as a page, with lists by title",
    )  # fmt: skip
