"""What a challenger with an objective for each event type reaches under other preferences than it was trained with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from prefect import task

from components.artifact import ArtifactRef, publish, verified
from components.data import snapshot
from components.evaluation.contenders import Contender
from components.evaluation.plan import ReplayPlan
from components.evaluation.preference_front import PLACES, Lists, PreferenceFront, plan_front, preferences_of
from components.evaluation.typed_json import from_json, to_json
from components.recommender.arm import Arm
from components.recommender.arms.multitron import MultitronArm
from flows.local.console import progress_bar
from flows.replay_window import ReplayWindow, histories_of, load_contender
from flows.settings import load_settings
from flows.stages import StageResult, key_of, run_once

_FILE = "front.json"


@dataclass(frozen=True, kw_only=True)
class MeasuredFront:
    front: ArtifactRef | None  # None: the window has no two types that a list can be judged by
    told: str

    @property
    def note(self) -> str:
        return self.told


@task(task_run_name="measure-front-{contender.name}")
def measure_front(
    run: str, window: ReplayWindow, contender: Contender, reference: Contender
) -> StageResult[MeasuredFront]:
    """Eleven preferences over the two types that the window has most of, and the reference on the same requests."""
    key = key_of(
        measure_front, f"measure front {contender.name}", run=run,
        reads={
            "arm": contender.artifact, "reference": reference.artifact,
            "train": window.snapshots.train, "window": window.snapshots.window,
        },
        facts={"mode": window.mode, "filter_seen": window.filter_seen, **load_settings().ranked_on},
    )  # fmt: skip

    def work() -> MeasuredFront:
        found = _measured(window, contender, reference)
        if found is None:
            return MeasuredFront(front=None, told="the window has no two types to judge by")
        ref = publish(
            load_settings().artifacts, "front", lambda folder: _write(folder, found),
            parents=key.parents, config={"arm": contender.name},
        )  # fmt: skip
        told = f"hypervolume {found.hypervolume:.4f} of {' and '.join(found.types)}"
        return MeasuredFront(front=ref, told=told)

    return run_once(key, MeasuredFront, work, computes=True)


def read_front(ref: ArtifactRef) -> PreferenceFront:
    """Every byte checked."""
    verified(ref.path)
    told: PreferenceFront = from_json(PreferenceFront, json.loads((Path(ref.path) / _FILE).read_text()))
    return told


def _measured(window: ReplayWindow, contender: Contender, reference: Contender) -> PreferenceFront | None:
    arm, beside = load_contender(contender), load_contender(reference)
    assert isinstance(arm, MultitronArm)
    facts = snapshot.snapshot_facts(window.snapshots.window)
    assert facts.start is not None
    plans = plan_front(
        snapshot.read_events(window.snapshots.train),
        snapshot.read_events(window.snapshots.window),
        snapshot.read_items(window.snapshots.train),
        arm.config.objectives,
        cut=facts.start,
        end=facts.end,
        mode=window.mode,
        filter_seen=window.filter_seen,
    )
    if plans is None:
        return None
    points = []
    preferences = preferences_of(plans.types)
    with progress_bar(f"preferences of {contender.name}", total=len(preferences)) as bar:
        for part, preference in preferences.items():
            points.append(plans.judged(part, _lists_of(arm.preferring(preference))))
            bar(len(points), len(preferences), {})
    return PreferenceFront(
        types=plans.types, users=plans.users, points=tuple(points),
        others=(plans.judged(reference.name, _lists_of(beside)),),
    )  # fmt: skip


def _lists_of(arm: Arm) -> Lists:
    def lists(plan: ReplayPlan) -> np.ndarray:
        return arm.recommend(
            histories_of(plan, slice(None)), k=PLACES, candidates=plan.candidates,
            exclude_seen=plan.filter_seen,
        ).items  # fmt: skip

    return lists


def _write(folder: Path, front: PreferenceFront) -> None:
    (folder / _FILE).write_text(json.dumps(to_json(front), indent=1) + "\n")
