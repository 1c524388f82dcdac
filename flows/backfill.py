"""The rolling back-test: the loop over past windows, one after the other, as it would have lived through them.

Every window is a whole retraining cycle in the back-test's own home (see `backtest_home`): trained before its cut,
replayed on it, promoted there if the verdict says so, so that the next window's challenger faces who would have been
champion. Nothing of it reaches production: not its champion, not its ledger of alpha, not its online features.
A window that is finished stays so; a walk that was cut off goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from prefect import flow
from prefect.artifacts import create_link_artifact, create_table_artifact
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from components.artifact import ArtifactRef, digest_of
from components.data import cycles, journal
from components.data.timestamps import read_timestamps
from components.evaluation.backtest import Backtest, Lead, PairedWindow, Pooled, TestedArm, TestedWindow, pool
from components.evaluation.evidence import ReplayEvidence, read_evidence
from components.evaluation.typed_json import to_json
from components.recommender.names import NEW_ITEM_ARMS, ArmName
from components.report.backtest import render_backtest
from components.tokenizer.names import DEFAULT
from flows.backtest_home import inside_backtest
from flows.carried import carried_before, name_to_fit
from flows.cycle import retraining_cycle
from flows.judging import USERS
from flows.local.console import console
from flows.local.site import show_text
from flows.record import CycleRecord, read_record
from flows.request import BadRequest, CycleRequest, cycle_request
from flows.retraining_lease import begun_here
from flows.settings import load_settings
from flows.settled import settle_cycle
from flows.summary import CycleSummary
from flows.warehouse import warehouse

CONFIDENCE = 0.95


class BackfillRequest(BaseModel):
    """Past windows [start + i step, start + (i + 1) step), as many as fit before `end`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: AwareDatetime = Field(description="the first cut: what is earlier is trained on")
    end: AwareDatetime = Field(description="no window reaches beyond this moment")
    step: timedelta = Field(gt=timedelta(0), description="length of a window, and from one cut to the next")
    challengers: tuple[ArmName, ...] = Field(
        default=("mmgrec",), min_length=1, description="arms that are walked through the windows, each apart"
    )
    cycle: CycleRequest = Field(
        default_factory=lambda: CycleRequest(preset="default"),
        description="how each window is retrained; since, as_of and train_cutoff are the windows' to say",
    )

    @model_validator(mode="after")
    def _has_a_window(self) -> BackfillRequest:
        if self.start + self.step > self.end:
            raise ValueError(
                f"no window of {self.step} fits between {self.start:%Y-%m-%dT%H:%MZ} and {self.end:%Y-%m-%dT%H:%MZ}. "
                "Pass a shorter --step, or a later --to."
            )
        others = [arm for arm in self.challengers if self.cycle.tuned and arm != self.cycle.tuned["arm"]]
        if others:
            raise ValueError(
                f"the tuned preset is of {(self.cycle.tuned or {})['arm']}, and {', '.join(others)} would be walked "
                "too: leave them out, or walk them apart"
            )
        if self.cycle.more_challengers:
            raise ValueError(
                "a back-test walks its challengers apart: name them in challengers, and leave more_challengers empty"
            )
        without = [arm for arm in self.challengers if self.cycle.new_items and arm not in NEW_ITEM_ARMS]
        if without:
            raise ValueError(
                f"new items are to get a share, which {', '.join(without)} cannot give them: leave them out, or walk "
                "them apart"
            )
        if self.cycle.preference:
            raise ValueError("a back-test has all event types alike: leave the preference out")
        if self.cycle.since or self.cycle.as_of or self.cycle.train_cutoff:
            raise ValueError("since, as_of and train_cutoff follow from the windows: leave them out")
        return self

    @property
    def windows(self) -> list[tuple[datetime, datetime]]:
        """(cut, end) of each, oldest first."""
        count = (self.end - self.start) // self.step
        return [(self.start + n * self.step, self.start + (n + 1) * self.step) for n in range(count)]

    def home_of(self, challenger: ArmName) -> str:
        """The back-test's home: the same for a later `end`, so that a longer walk goes on from a shorter one."""
        asked = _said(self.cycle.model_copy(update={"challenger": challenger}))
        walked = digest_of([asked, self.start.isoformat(), self.step.total_seconds()])
        return f"{challenger.replace('_', '-')}-{walked[:8]}"


@dataclass(frozen=True, kw_only=True)
class Backfilled:
    """What was found, and where it is kept."""

    found: Backtest
    page: Path
    evidence: Path  # the same as JSON


@dataclass(frozen=True, kw_only=True)
class _Walked:
    """One window as it came out; `differences` are rival → paired differences of its users."""

    window: TestedWindow
    differences: dict[str, PairedWindow]
    is_of_this_code: bool = True


def _said(cycle: CycleRequest) -> dict[str, Any]:
    """The request, without what it says nothing of: event weights, tuned settings and more came later."""
    said = cycle.model_dump(mode="json")
    later = (
        "event_weights",
        "tuned",
        "warm_start",
        "tokenizer_name",
        "more_challengers",
        "new_items",
        "preference",
    )
    unsaid = {name for name in later if not said[name]}
    return {name: value for name, value in said.items() if name not in unsaid}


def backfill_request(**fields: Any) -> BackfillRequest:
    """The request, or BadRequest in the words of its checks."""
    try:
        return BackfillRequest(**fields)
    except ValidationError as error:
        told = [str(e["msg"]).removeprefix("Value error, ") for e in error.errors()]
        raise BadRequest("; ".join(told)) from None


def by_this_homes_tokenizer(request: BackfillRequest) -> BackfillRequest:
    """The request, with the tokenizer named that this home goes on with, which a home apart would not know.

    Where that is the default a request that names none stays as it is, and walks that began without a name go on.
    """
    name = name_to_fit(request.cycle.tokenizer_name, carried_before(None, None))
    if name == DEFAULT:
        return request
    return request.model_copy(update={"cycle": request.cycle.model_copy(update={"tokenizer_name": name})})


@flow(name="backfill", flow_run_name="backfill-{request.start:%Y-%m-%d}-{request.end:%Y-%m-%d}")
def backfill(request: BackfillRequest) -> Backfilled:
    """Walk every challenger through the windows, then tell what they say together. Moves nothing of production."""
    request = by_this_homes_tokenizer(request)
    counts = _events_of(request)
    walked = {challenger: _walk(request, challenger, counts) for challenger in request.challengers}
    arms = tuple(
        TestedArm(
            challenger=challenger, windows=tuple(one.window for one in windows), pooled=_pooled(windows)
        )
        for challenger, windows in walked.items()
    )
    found = Backtest(
        source=request.cycle.source,
        metric=_metric(request),
        confidence=CONFIDENCE,
        step_seconds=request.step.total_seconds(),
        arms=arms,
        notes=tuple(_notes(request, counts, [one for windows in walked.values() for one in windows])),
        digest=digest_of(request.model_dump(mode="json") | {"cycle": _said(request.cycle)}),
    )
    return _kept(request, found)


def _walk(request: BackfillRequest, challenger: ArmName, counts: Sequence[int]) -> list[_Walked]:
    """The challenger's way, in a home of its own."""
    walked: list[_Walked] = []
    num = len(request.windows)
    with inside_backtest(request.home_of(challenger)):
        for (cut, end), count in zip(request.windows, counts, strict=True):
            place = f"{challenger}, window {len(walked) + 1} of {num}, {cut:%Y-%m-%d} to {end:%Y-%m-%d}"
            if not count:
                console.print(f"{place}: no events", markup=False)
                walked.append(_empty(cut, end))
                continue
            is_first = not any(one.window.verdict for one in walked)
            asked = _asked(request, challenger, None if is_first else cut, cut, end)
            record, is_new = _finished(asked), False
            if record is None:
                console.print(f"\n[bold]{place}[/bold]")
                with begun_here():
                    retraining_cycle(asked)
                record, is_new = _finished(asked), True
            assert record is not None
            console.print(
                f"{place}: {record.told.verdict}{'' if is_new else ', finished before'}", markup=False
            )
            walked.append(_told(record, request, cut, end))
    return walked


def _asked(
    request: BackfillRequest, challenger: ArmName, since: datetime | None, cut: datetime, end: datetime
) -> CycleRequest:
    """The window's cycle: its batch is what came since the window before."""
    window = {"challenger": challenger, "since": since, "train_cutoff": cut, "as_of": end}
    return cycle_request(**request.cycle.model_dump() | window)


def _finished(asked: CycleRequest) -> CycleRecord | None:
    """The record of this very cycle, if it came to its end in this home."""
    wanted = settle_cycle(asked).id
    found = cycles.cycles(warehouse(), cycle_id=wanted)
    return read_record(found[0]) if found else None


def _told(record: CycleRecord, request: BackfillRequest, cut: datetime, end: datetime) -> _Walked:
    told, metric = record.told, _metric(request)
    replayed = _replay_of(told)
    evidence = read_evidence(Path(replayed.path))
    window = TestedWindow(
        cut=cut,
        end=end,
        verdict=told.verdict,
        reason=told.reasons[0],
        users=told.window_users,
        version=told.version,
        champion=f"version {told.champion_before}" if told.champion_before else None,
        ndcg=evidence.mean(evidence.challenger, metric).mean,
        leads=_leads(evidence, metric),
    )
    differences = _differences(Path(replayed.path) / USERS, evidence, metric)
    return _Walked(window=window, differences=differences, is_of_this_code=record.code.is_current())


def _replay_of(told: CycleSummary) -> ArtifactRef:
    """The published evidence of a cycle; its last, should it have been judged anew."""
    (*_, judged) = (done for done in journal.stages_of(warehouse(), told.cycle_id) if done.stage == "judge")
    return ArtifactRef(**judged.output["replay"])


def _leads(evidence: ReplayEvidence, metric: str) -> dict[str, Lead]:
    found = {arm: evidence.lead_over(arm, metric) for arm in evidence.arm_names}
    return {
        arm: Lead(delta=lead.delta, lower=lead.lower, upper=lead.upper)
        for arm, lead in found.items()
        if lead is not None
    }


def _differences(users: Path, evidence: ReplayEvidence, metric: str) -> dict[str, PairedWindow]:
    """Rival → challenger minus rival of every user of the window."""
    table = pd.read_parquet(users, columns=["user", "arm", metric]).pivot(
        index="user", columns="arm", values=metric
    )
    own = table[evidence.challenger]
    pairs = {arm: (own - table[arm]).dropna() for arm in evidence.arm_names if arm != evidence.challenger}
    return {
        arm: PairedWindow(users=pair.index.to_numpy(), differences=pair.to_numpy(dtype=np.float64))
        for arm, pair in pairs.items()
        if len(pair)
    }


def _pooled(walked: Sequence[_Walked]) -> tuple[Pooled, ...]:
    rivals = dict.fromkeys(rival for one in walked for rival in one.differences)
    return tuple(
        pool(
            rival,
            [one.differences[rival] for one in walked if rival in one.differences],
            confidence=CONFIDENCE,
        )
        for rival in rivals
    )


def _events_of(request: BackfillRequest) -> list[int]:
    """How many events each window holds: one without any has nothing to replay."""
    source = request.cycle.opened_source()
    times = read_timestamps(source.read(since=request.start, until=request.end).events["timestamp"]).moments
    return [int(((times >= cut) & (times < end)).sum()) for cut, end in request.windows]


def _empty(cut: datetime, end: datetime) -> _Walked:
    window = TestedWindow(
        cut=cut, end=end, verdict="", reason="nothing happened in it", users=0, version="", champion=None,
        ndcg=None, leads={},
    )  # fmt: skip
    return _Walked(window=window, differences={})


def _metric(request: BackfillRequest) -> str:
    return request.cycle.gate_profile.primary.metric


def _notes(request: BackfillRequest, counts: Sequence[int], walked: Sequence[_Walked]) -> list[str]:
    """What a reader should hold against the figures."""
    notes = []
    if rest := request.end - request.windows[-1][1]:
        notes.append(
            f"The last {rest / timedelta(days=1):.3g} days before the end do not fill a window and are left out."
        )
    if empty := counts.count(0):
        notes.append(f"{empty} of {len(counts)} windows hold no events.")
    if other := sum(not one.is_of_this_code for one in walked):
        notes.append(
            f"{other} windows were made by another state of the code and stand as they are; another --from walks anew."
        )
    ends = [cycle.as_of for cycle in cycles.cycles(warehouse())]
    if ends and ends[-1] < request.windows[-1][1]:
        notes.append(
            f"The windows reach past {ends[-1]:%Y-%m-%d %H:%M}Z, where the next retraining's replay begins: a choice "
            "that rests on them has seen what that replay will judge by."
        )
    return notes


def _kept(request: BackfillRequest, found: Backtest) -> Backfilled:
    """Page and evidence among the reports, and both told in Prefect."""
    settings = load_settings()
    # eight characters of a digest at the end would make it the page of an artifact, which goes with that (`pruning`)
    name = f"backtest-{request.start:%Y-%m-%d}-{request.end:%Y-%m-%d}-{found.digest[:6]}"
    page, evidence = settings.reports / f"{name}.html", settings.reports / f"{name}.json"
    facts = [
        ("Source", found.source, "as retrain reads it"),
        (
            "Preset, profile, mode",
            f"{request.cycle.preset}, {request.cycle.gate_profile.name}, {request.cycle.mode}",
            "",
        ),
        *(
            (f"Home of {arm}", request.home_of(arm), "folder under backtests/: warehouse, artifacts, reports")
            for arm in request.challengers
        ),
        ("Evidence", evidence.name, "all figures of this page as JSON, beside it"),
        ("Digest", found.digest, "of what was asked"),
    ]
    _replace(evidence, json.dumps(to_json(found), indent=1, sort_keys=True, allow_nan=False))
    show_text(settings.reports, render_backtest(found, facts), page.name)
    create_table_artifact(
        key="backtest", table=[to_json(window) for arm in found.arms for window in arm.windows],
        description="Every window of the back-test",
    )  # fmt: skip
    create_link_artifact(
        key="backtest-page", link=settings.page_url(page), link_text="back-test (under `recloop ui`)",
        description="What the windows say together",
    )  # fmt: skip
    return Backfilled(found=found, page=page, evidence=evidence)


def _replace(path: Path, text: str) -> None:
    """Old or new, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
