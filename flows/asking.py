"""Asking: what a window asks of the arms, the same of all, and each arm's lists as a published artifact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from prefect import task

from components.artifact import ArtifactRef, publish, verified
from components.data import snapshot
from components.evaluation import gate
from components.evaluation.cold import ColdPass, plan_cold
from components.evaluation.plan import Mode, ReplayPlan, plan_replay
from components.evaluation.replay import compare, score_replay
from components.evaluation.result import Compared
from components.recommender.arm import Arm, Histories, takes_ids
from flows.cold import read_cold_ids
from flows.console import progress_bar, warning_line
from flows.settings import load_settings
from flows.stages import Outcome, run_once

LISTS, COLD_LISTS = "lists.npy", "cold_lists.npy"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """An arm as it will be asked: the published artifact that holds it, and until when it learned."""

    name: str  # as it stands in tables: mmgrec, champion, sasrec, popularity, …
    arm: dict[str, str]  # ArtifactRef of a folder that `load_arm` reads
    folder: str  # of the arm within the artifact
    train_end: str  # ISO 8601 UTC, exclusive
    digest: str  # of the artefact that would be promoted
    compared: Compared = "registry artefact"  # or its recipe, refitted at the cut
    reads_cold_ids: bool = False  # whether it can be told the IDs of cold items: they are its tokenizer's


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A window and how it is replayed, the same for every arm."""

    train: dict[str, str]  # ArtifactRef of the snapshot before the cut
    window: dict[str, str]
    profile: str
    mode: Mode
    filter_seen: bool
    cold_ids: dict[str, str] | None = None  # IDs of items that appeared after the cut; None: no second pass

    def plan(self) -> ReplayPlan:
        """The requests of the window, from the two snapshots on either side of the cut."""
        train_ref, window_ref = ArtifactRef(**self.train), ArtifactRef(**self.window)
        facts = snapshot.snapshot_facts(window_ref)
        assert facts.start is not None
        return plan_replay(
            snapshot.read_events(train_ref),
            snapshot.read_events(window_ref),
            snapshot.read_items(train_ref),
            cut=facts.start,
            end=facts.end,
            mode=self.mode,
            filter_seen=self.filter_seen,
        )

    def cold(self, plan: ReplayPlan) -> ColdPass | None:
        """The second pass, over items whose content is known: those that have an ID."""
        if self.cold_ids is None:
            return None
        items = snapshot.read_items(ArtifactRef(**self.window))
        return plan_cold(plan, items[items["item_id"].isin(read_cold_ids(self.cold_ids).item_ids)])

    @property
    def inputs(self) -> dict[str, str]:
        cold = {"cold_ids": self.cold_ids["digest"]} if self.cold_ids else {}
        return {"train": self.train["digest"], "window": self.window["digest"], **cold}

    @property
    def config(self) -> dict[str, Any]:
        return {"profile": self.profile, "mode": self.mode, "filter_seen": self.filter_seen}


PROFILES = {"small": gate.small, "production": gate.production}


@task(task_run_name="rank-{contender.name}")
def rank(run: str, asked: Asked, contender: Contender) -> Outcome:
    """The arm's list for every request of the window."""
    inputs = {"arm": contender.arm["digest"], **asked.inputs}

    def work() -> dict[str, Any]:
        plan, length = asked.plan(), PROFILES[asked.profile]().list_length
        arm, cold = load_contender(contender), asked.cold(plan)
        with progress_bar(f"rank {contender.name}"):
            lists = {LISTS: _lists(arm, plan, length)}
            if cold is not None:
                lists[COLD_LISTS] = _cold_lists(asked, contender, arm, plan, cold, length)
        ref = publish(
            load_settings().artifacts,
            "lists",
            lambda folder: _write_arrays(folder, lists),
            parents=inputs,
            config={"arm": contender.name, **asked.config},
        )
        return {"arm": contender.name, "lists": ref.to_dict(), "note": f"{len(plan):,} lists"}

    return run_once(
        f"rank {contender.name}",
        run=run,
        inputs=inputs,
        config={**asked.config, "reads_cold_ids": contender.reads_cold_ids},
        rooms=("recommender", "evaluation"),
        work=work,
    )


def tell_what_can_be_told(asked: Asked, baselines: Mapping[str, dict[str, str]]) -> None:
    """Say it before the run if the profile cannot be satisfied on this window, or would miss what is of interest.

    How far differences of users spread is guessed by popularity minus random: two good arms that agree half
    (correlation .5) spread as wide as one of them alone.
    """
    plan, profile = asked.plan(), PROFILES[asked.profile]()
    lists = {name: read_lists(baselines[name]) for name in ("popularity", "random")}
    scores = score_replay(plan, lists, metrics=(profile.primary.metric,))
    guess = compare(scores, "popularity", "random", metric=profile.primary.metric, resamples=2_000)
    found = profile.satisfiability(
        users=len(plan.users), sd=guess.sd, candidates=int(plan.candidates.sum()), requests=len(plan)
    )
    if found.reason:
        warning_line(f"profile {profile.name}: {found.reason}")


def load_contender(contender: Contender) -> Arm:
    """The arm out of its published folder, every byte checked."""
    from components.recommender.loading import load_arm

    verified(contender.arm["path"])
    return load_arm(Path(contender.arm["path"]) / contender.folder)


def _write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        np.save(folder / name, array, allow_pickle=False)


def read_lists(ref: dict[str, str], name: str = LISTS) -> np.ndarray:
    verified(ref["path"])
    return np.load(Path(ref["path"]) / name, allow_pickle=False)


def _cold_lists(
    asked: Asked, contender: Contender, arm: Arm, plan: ReplayPlan, cold: ColdPass, k: int
) -> np.ndarray:
    """The arm's lists for the second pass; an arm that reads IDs is told those of cold items."""
    assert asked.cold_ids is not None
    if contender.reads_cold_ids and takes_ids(arm):
        table = read_cold_ids(asked.cold_ids)
        arm = arm.with_ids(table.item_ids, table.codes)
    return arm.recommend(
        histories_of(plan, cold.requests),
        k=cold.list_length(k),
        candidates=cold.candidates,
        exclude_seen=plan.filter_seen,
    ).items


def _lists(arm: Arm, plan: ReplayPlan, k: int) -> np.ndarray:
    return arm.recommend(
        histories_of(plan, slice(None)), k=k, candidates=plan.candidates, exclude_seen=plan.filter_seen
    ).items


def histories_of(plan: ReplayPlan, requests: slice | np.ndarray) -> Histories:
    return Histories(
        catalogue=plan.catalogue,
        items=plan.items,
        times=plan.times,
        start=plan.start[requests],
        end=plan.end[requests],
    )
