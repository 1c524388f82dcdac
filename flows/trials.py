"""One trial of a study: an arm trained with some settings, and what its lists are worth on the validation window.

Values of users are kept as numbers without names, in the order of the window's plan: erasure has nothing to find there.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from components.artifact import digest_of
from components.evaluation.scores import score_replay
from components.recommender.arm import Arm
from components.recommender.arm_config import decoded_with
from components.recommender.arms.dense_arm import DenseArm
from components.recommender.arms.fusion import FusionArm
from components.recommender.arms.mmgrec import MMGRecArm
from components.recommender.arms.pisa import PisaArm
from components.recommender.arms.tiger import TigerArm
from components.recommender.loading import load_arm
from components.recommender.names import CONTENT_ARMS, PREFERENCE_ARMS, ArmName, PresetName
from components.recommender.search_space import Settings
from components.recommender.train_arm import train_arm
from components.tuning.budget import OutOfTime
from flows.local.console import progress_bar
from flows.ranking import lists_of
from flows.settings import load_settings
from flows.tuning_window import TuningData

METRIC = "ndcg@10"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One arm on the validation window."""

    values: Float[np.ndarray, "U"]  # of users, NaN where there is nothing to judge one by
    seconds: float  # by the clock, training and ranking
    cpu_seconds: float

    @property
    def mean(self) -> float:
        return float(np.nanmean(self.values))


@dataclass(frozen=True, kw_only=True)
class Trials:
    """How every trial of a study is done. A pair of settings and seed that was measured is not measured again."""

    folder: Path
    data: TuningData
    arm: ArmName
    preset: PresetName
    decode: frozenset[str]  # settings that another decoding of the same weights answers

    def measure(
        self, settings: Settings, seed: int, what: str, *, until: float, keep: bool = False
    ) -> Measured:
        """Train, rank, score. `until`, of `time.monotonic`, is when OutOfTime is raised.

        With `keep` the trained arm stays in the folder: a later decoding of the same weights needs no training.
        """
        file = self._file(settings, seed)
        if file.exists():
            with np.load(file) as kept:
                cost = [float(number) for number in kept["cost"]]
                return Measured(values=kept["values"], seconds=cost[0], cpu_seconds=cost[1])
        begin, cpu = time.monotonic(), time.process_time()
        with progress_bar(what) as bar:
            arm = self._trained(settings, seed, _watched(bar, until), keep=keep)
        with progress_bar(f"{what}, ranking") as bar:
            values = self._values(arm, _watched(bar, until))
        measured = Measured(
            values=values, seconds=time.monotonic() - begin, cpu_seconds=time.process_time() - cpu
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".part.npz")
        np.savez(aside, values=values, cost=np.array([measured.seconds, measured.cpu_seconds]))
        os.replace(aside, file)
        return measured

    def _file(self, settings: Settings, seed: int) -> Path:
        return self.folder / "values" / f"{digest_of([dict(settings), seed])[:16]}.npz"

    def _trained(self, settings: Settings, seed: int, watch: Watch, *, keep: bool) -> Arm:
        kept, chosen = self._weights(settings, seed), load_settings()
        if kept.exists():
            decodes = {name: value for name, value in settings.items() if name in self.decode}
            return decoded_with(load_arm(kept, chosen.compute), decodes)
        item_ids, codes, sizes = self.data.table
        rows = self.data.rows
        arm = train_arm(
            self.arm, rows.item_lists, rows.time_lists, item_ids, codes, sizes,
            weight_lists=self.data.weight_lists,
            type_lists=rows.type_lists if self.arm in PREFERENCE_ARMS else None,
            preset=self.preset, settings=settings, seed=seed,
            compute=chosen.trained_on, content=rows.content if self.arm in CONTENT_ARMS else None,
            on_step=lambda step: watch(step.step, step.num_steps, {"loss": step.loss}),
        )  # fmt: skip
        if keep and self.decode:
            _keep(arm, kept)
        if isinstance(arm, MMGRecArm | DenseArm | FusionArm | PisaArm | TigerArm):
            return arm.on(chosen.compute)
        return arm

    def _weights(self, settings: Settings, seed: int) -> Path:
        """Where an arm lies that was trained with these, however it is decoded."""
        trains = {name: value for name, value in settings.items() if name not in self.decode}
        return self.folder / "arms" / digest_of([trains, seed])[:16]

    def drop_weights_but(self, settings: Settings, seed: int) -> None:
        """Only the best arm is decoded again."""
        best = self._weights(settings, seed)
        for folder in best.parent.glob("*"):
            if folder != best:
                shutil.rmtree(folder)

    def _values(self, arm: Arm, watch: Watch) -> Float[np.ndarray, "U"]:
        window = self.data.window
        lists = lists_of(window, arm, lambda done, total: watch(done, total, {}))
        return score_replay(window.plan(), {self.arm: lists}, metrics=(METRIC,)).of(self.arm, METRIC)


Watch = Callable[[int, int, dict[str, float]], None]


def _watched(bar: Watch, until: float) -> Watch:
    def watch(done: int, total: int, figures: dict[str, float]) -> None:
        bar(done, total, figures)
        if time.monotonic() > until and done < total:
            raise OutOfTime

    return watch


def _keep(arm: Arm, folder: Path) -> None:
    """Whole or not at all."""
    aside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    arm.save(aside)
    aside.replace(folder)
