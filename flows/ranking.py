"""Ranking: each arm's lists for every request of a window, as a published artifact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from prefect import task

from components.artifact import ArtifactRef, publish, verified
from components.evaluation.cold import ColdPass
from components.evaluation.contenders import Contender
from components.recommender.arm import Arm, OnRanked, takes_content, takes_ids
from components.tokenizer.cold import read_cold_content
from components.tokenizer.id_table import read_id_table
from flows.local.console import progress_bar
from flows.replay_window import ReplayWindow, histories_of, load_contender
from flows.settings import load_settings
from flows.stages import StageResult, key_of, run_once

LISTS, COLD_LISTS, JOINED_LISTS = "lists.npy", "cold_lists.npy", "joined_lists.npy"


@dataclass(frozen=True, kw_only=True)
class RankedLists:
    """An arm's lists on a window; under `cold_lists.npy`, where it stands, those of the second pass.

    Of an arm with a share for new items also `joined_lists.npy`: all requests, with the items of the second pass.
    """

    arm: str
    lists: ArtifactRef
    num_lists: int

    @property
    def note(self) -> str:
        return f"{self.num_lists:,} lists"


@task(task_run_name="rank-{contender.name}")
def rank(run: str, window: ReplayWindow, contender: Contender) -> StageResult[RankedLists]:
    """The arm's list for every request of the window."""
    key = key_of(
        rank, f"rank {contender.name}", run=run,
        reads={"arm": contender.artifact, **window.reads},
        facts={
            **window.asking, "reads_cold_ids": contender.reads_cold_ids, **load_settings().ranked_on,
            **({"raises_new_items": contender.raises_new_items} if contender.has_share else {}),
        },
    )  # fmt: skip

    def work() -> RankedLists:
        arm = load_contender(contender)
        with progress_bar(f"rank {contender.name}", total=len(window.plan())) as bar:
            lists = {LISTS: lists_of(window, arm, lambda done, total: bar(done, total, {}))}
        if window.cold_ids is not None and (cold := window.cold()):
            lists[COLD_LISTS] = _cold_lists(window, cold, window.cold_ids, contender, arm)
            if contender.has_share:
                everybody = cold.of_all(window.plan())
                lists[JOINED_LISTS] = _cold_lists(window, everybody, window.cold_ids, contender, arm)
        ref = publish(
            load_settings().artifacts,
            "lists",
            lambda folder: _write_arrays(folder, lists),
            parents=key.parents,
            config={"arm": contender.name, **window.asking},
        )
        return RankedLists(arm=contender.name, lists=ref, num_lists=len(window.plan()))

    return run_once(key, RankedLists, work, computes=True)


def read_lists(ref: ArtifactRef, name: str = LISTS) -> np.ndarray:
    """An arm's lists [R k] out of its published folder, every byte checked."""
    verified(ref.path)
    return np.load(Path(ref.path) / name, allow_pickle=False)


def lists_of(window: ReplayWindow, arm: Arm, on_step: OnRanked) -> np.ndarray:
    """[R k] positions in the plan's catalogue: what a replay asks of every arm alike."""
    plan = window.plan()
    return arm.recommend(
        histories_of(plan, slice(None)),
        k=window.profile.list_length,
        candidates=plan.candidates,
        exclude_seen=plan.filter_seen,
        on_step=on_step,
    ).items


def _cold_lists(
    window: ReplayWindow, cold: ColdPass, cold_ids: ArtifactRef, contender: Contender, arm: Arm
) -> np.ndarray:
    """The arm's lists for the second pass; an arm that reads IDs or content is told those of cold items."""
    plan = window.plan()
    if contender.reads_cold_ids and takes_ids(arm):
        table = read_id_table(cold_ids)
        arm = arm.with_ids(table.item_ids, table.codes)
    elif takes_content(arm) and (told := read_cold_content(cold_ids)):
        item_ids, content = told
        if content.space == arm.content_space:  # an earlier champion's encoders may be others
            arm = arm.with_content(item_ids, content)
    with progress_bar(f"rank {contender.name}, cold items", total=len(cold.requests)) as bar:
        return arm.recommend(
            histories_of(plan, cold.requests),
            k=cold.list_length(window.profile.list_length),
            candidates=cold.candidates,
            exclude_seen=plan.filter_seen,
            on_step=lambda done, total: bar(done, total, {}),
        ).items


def _write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        np.save(folder / name, array, allow_pickle=False)
