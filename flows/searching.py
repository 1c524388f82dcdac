"""A study while it spends its budget: trials one after the other, then the best of them against the preset again."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.divergence import TrainingDiverged
from components.evaluation.comparison import Pairing, compare_pairs
from components.recommender.search_space import Settings
from components.tuning.budget import Budget, OutOfTime
from components.tuning.record import Lead
from components.tuning.study import Asked, Study, Tried
from flows.local.console import console, dimmed
from flows.trials import METRIC, Measured, Trials


class BudgetTooSmall(Exception):
    """The shipped preset alone takes longer than a study may."""


@dataclass(kw_only=True)
class Searching:
    """A study while it spends its budget."""

    study: Study
    trials: Trials
    budget: Budget
    seed: int
    told: float = (
        0.0  # seconds of confirmations, this call's and earlier ones, and of what was cut off in this call
    )
    told_cpu: float = 0.0
    diverged: str = ""  # why there is no confirmation, where a training of it came to no number

    @property
    def spent(self) -> float:
        return self.told + sum(one.seconds for one in self.study.tried)

    @property
    def cpu_spent(self) -> float:
        return self.told_cpu + sum(one.cpu_seconds for one in self.study.tried)

    def search(self) -> str:
        """Trials until the budget is spent; why it ended."""
        while len(tried := self.study.tried) < self.budget.trials:
            left = self.budget.seconds - self.spent - self._kept_back(tried)
            if tried and left <= 0:
                return f"{self.budget.seconds / 60:g} minutes, the confirmation's share kept back"
            asked, begin = self.study.ask(), time.monotonic()
            try:
                self._try(asked, begin + left)
            except OutOfTime as error:
                self.study.abandon(asked)
                self.told += time.monotonic() - begin
                if not tried:
                    raise BudgetTooSmall(
                        f"the shipped preset alone takes longer than {self.budget.seconds / 60:g} minutes, and without "
                        "it there is nothing to be better than. Pass more --minutes"
                    ) from error
                return f"{self.budget.seconds / 60:g} minutes: trial {asked.number} was cut off"
            if not tried:
                self._say_estimate()
        return f"{self.budget.trials} trials"

    def _kept_back(self, tried: Sequence[Tried]) -> float:
        if not tried:
            return 0.0
        return self.budget.kept_back(tried[0].seconds, max(one.seconds for one in tried))

    def _try(self, asked: Asked, until: float) -> None:
        name = "the preset" if asked.kind == "preset" else asked.kind
        what = f"trial {asked.number + 1} of {self.budget.trials}"
        begin, cpu = time.monotonic(), time.process_time()
        try:
            measured = self.trials.measure(asked.settings, self.seed, what, until=until, keep=True)
        except TrainingDiverged as error:
            if asked.kind == "preset":
                raise
            self.study.tell(
                asked,
                None,
                seconds=time.monotonic() - begin,
                cpu_seconds=time.process_time() - cpu,
                failed=str(error),
            )
            console.print(f"  {what}: {error}", markup=False)
            return
        self.study.tell(asked, measured.mean, seconds=measured.seconds, cpu_seconds=measured.cpu_seconds)
        best = self.study.best()
        self.trials.drop_weights_but(best.settings, self.seed)
        mark = ", the best so far" if best.number == asked.number and asked.number else ""
        console.print(
            f"  {what}, {name}: NDCG@10 {measured.mean:.4f}{mark}  {measured.seconds:.1f} s, "
            f"{measured.cpu_seconds:.1f} CPU s",
            markup=False,
        )

    def _say_estimate(self) -> None:
        (preset,) = self.study.tried
        cost, budget = preset.cpu_seconds, self.budget
        fit = budget.trials_that_fit(preset.seconds)
        rest = 2 * budget.confirmations
        dimmed(
            f"  the preset took {cost:.1f} CPU s, {preset.seconds:.1f} s by the clock: {budget.trials} trials and "
            f"{rest} confirming trainings at that rate are about {budget.estimate(cost):,.0f} CPU s, and some {fit} "
            f"trials fit into the {budget.seconds / 60:g} minutes"
        )

    def searched(self) -> Lead | None:
        """The best trial against the preset, as the search saw them; None where the preset is the best."""
        best = self.study.best()
        if best.number == 0:
            return None
        pairs = [self._measure(settings, self.seed, "") for settings in (best.settings, self.study.preset)]
        return _lead([pairs[0]], [pairs[1]], (self.seed,))

    def confirm(self) -> Lead | None:
        """Both again with fresh seeds; None where there is nothing to confirm, or no time left for it."""
        best = self.study.best()
        if best.number == 0 or not self.budget.confirmations:
            return None
        seeds = tuple(self.seed + 1 + n for n in range(self.budget.confirmations))
        ours: list[Measured] = []
        theirs: list[Measured] = []
        for seed in seeds:
            for settings, into, name in (
                (best.settings, ours, "best"),
                (self.study.preset, theirs, "preset"),
            ):
                until = time.monotonic() + self.budget.seconds - self.spent
                try:
                    measured = self._measure(settings, seed, f"confirm {name}, seed {seed}", until)
                except OutOfTime:
                    dimmed(f"  the budget ended while the {name} was confirmed with seed {seed}")
                    return None
                except TrainingDiverged as error:
                    self.diverged = f"the {name} diverged with seed {seed}: {error}"
                    dimmed(f"  {self.diverged}")
                    return None
                self.told += measured.seconds
                self.told_cpu += measured.cpu_seconds
                into.append(measured)
        return _lead(ours, theirs, seeds)

    def _measure(self, settings: Settings, seed: int, what: str, until: float = math.inf) -> Measured:
        return self.trials.measure(settings, seed, what, until=until)


def _lead(ours: Sequence[Measured], theirs: Sequence[Measured], seeds: tuple[int, ...]) -> Lead:
    """User by user, the mean over seeds; the interval is over users, who are the same with every seed."""
    best, preset = (np.mean([one.values for one in each], axis=0) for each in (ours, theirs))
    pairing = Pairing(
        challenger="best", baseline="preset", metric=METRIC, slice="all", challenger_values=best,
        baseline_values=preset,
    )  # fmt: skip
    (told,) = compare_pairs([pairing], permutations=0)
    return Lead(
        delta=told.delta, lower=told.lower, upper=told.upper, seeds=seeds, best=told.challenger_mean,
        preset=told.baseline_mean,
    )  # fmt: skip
