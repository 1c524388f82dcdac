"""Replays drawn from a population of users, judged by the gate as it is shipped.

A population is the per-user values of a real replay, user by user in all arms, metrics and slices at once. What
is true of it is set by whom the window is likely to meet: users are drawn with weights proportional to
exp(lambda . d), the least change of the population that gives the wanted mean differences (exponential
tilting, Efron 1981). Zeros stay zeros, values stay real, and so does what hangs together.
Shapes: P users of the population, U users of a window, C conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from components.evaluation.comparison import Comparison, Pairing, compare_pairs
from components.evaluation.gate import GateInput, GateProfile, NonInferiority, Outcome, decide
from components.evaluation.power import promotion_power
from components.evaluation.satisfiability import PromotionPower
from components.evaluation.scores import WHOLE, ReplayScores

CHALLENGER, CHAMPION = "challenger", "champion"
_TOGETHER = 256  # windows compared in one call
Cell = tuple[str, str, str]  # arm, slice, metric


class Infeasible(ValueError):
    """No weights on these users give the wanted means."""


@dataclass(frozen=True, kw_only=True)
class Population:
    """Values of users under `challenger`, `champion` and the must_beat arms, NaN where a slice has none."""

    values: Mapping[Cell, Float[np.ndarray, "P"]]
    weights: Float[np.ndarray, "P"]  # chance that the next user of a window is this one

    def difference(self, metric: str, slice_: str = WHOLE) -> Float[np.ndarray, "P"]:
        return self.values[CHALLENGER, slice_, metric] - self.values[CHAMPION, slice_, metric]

    def mean_and_skewness(self, metric: str) -> tuple[float, float]:
        d = self.difference(metric)
        mean = self.weights @ d
        return float(mean), float(self.weights @ (d - mean) ** 3 / (self.weights @ (d - mean) ** 2) ** 1.5)

    def users(self, num_users: int, generator: np.random.Generator) -> Int[np.ndarray, "U"]:
        """Independent draws: how many of them count in a slice differs from window to window, as it will."""
        return generator.choice(len(self.weights), size=num_users, p=self.weights)

    def window(self, users: Int[np.ndarray, "U"]) -> ReplayScores:
        arms, slices, metrics = (tuple(dict.fromkeys(cell[i] for cell in self.values)) for i in range(3))
        return ReplayScores(
            users=np.arange(len(users)), arms=arms, metrics=metrics, slices=slices,
            values={cell: column[users] for cell, column in self.values.items()},
            list_figures={}, without_list={}, dropped_places={},
        )  # fmt: skip


def population(scores: ReplayScores, challenger: str, champion: str, profile: GateProfile) -> Population:
    """The users of a replay, each as likely, with what the profile's rules read."""
    guards = [g for g in (*profile.required, *profile.if_evaluable) if isinstance(g, NonInferiority)]
    read = {
        (WHOLE, profile.primary.metric),
        *((g.slice, g.metric) for g in guards if g.slice in scores.slices),
    }
    named = {CHALLENGER: challenger, CHAMPION: champion, **{arm: arm for arm in profile.must_beat}}
    values = {
        (role, slice_, metric): scores.of(arm, metric, slice_)
        for role, arm in named.items()
        for slice_, metric in sorted(read)
    }
    return Population(values=values, weights=np.full(len(scores.users), 1 / len(scores.users)))


def exchangeable(one: Population) -> Population:
    """Every user once as it is and once with challenger and champion changed over: no difference, and no skew."""
    other = {CHALLENGER: CHAMPION, CHAMPION: CHALLENGER}
    values = {
        (arm, slice_, metric): np.concatenate([column, one.values[other.get(arm, arm), slice_, metric]])
        for (arm, slice_, metric), column in one.values.items()
    }
    return Population(values=values, weights=np.tile(one.weights, 2) / 2)


def with_truth(one: Population, truth: Mapping[tuple[str, str], float]) -> Population:
    """Weights under which the mean difference of each (slice, metric) is what `truth` says.

    Newton's method on the dual, which is convex. Raises Infeasible.
    """
    columns = []
    for (slice_, metric), wanted in truth.items():
        d = one.difference(metric, slice_)
        columns.append(np.where(np.isnan(d), 0.0, d - wanted))
    conditions = np.column_stack(columns)
    conditions = conditions / conditions.std(axis=0)
    steps = np.zeros(conditions.shape[1])
    for _ in range(500):
        exponent = conditions @ steps
        weights = one.weights * np.exp(exponent - exponent.max())
        weights /= weights.sum()
        miss = weights @ conditions
        if np.abs(miss).max() < 1e-10:
            return replace(one, weights=weights)
        spread = conditions - miss
        curve = (weights[:, None] * spread).T @ spread + 1e-10 * np.eye(len(steps))
        move = np.linalg.solve(curve, miss)
        steps -= move / max(1.0, float(np.abs(move).max()))
    raise Infeasible(f"no weights give {dict(truth)}: the means are beyond what the users have")


# --- judged --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How often, and the exact 95 % binomial interval."""

    found: int
    of: int

    @property
    def share(self) -> float:
        return self.found / self.of

    @property
    def bounds(self) -> tuple[float, float]:
        interval = stats.binomtest(self.found, self.of).proportion_ci(0.95)
        return float(interval.low), float(interval.high)


@dataclass(frozen=True, kw_only=True)
class Judged:
    primary: Rate  # the primary's lower bound was above 0
    promoted: Rate  # PROMOTE


def judge_windows(
    one: Population, profile: GateProfile, *, num_users: int, windows: int, seed: int
) -> Judged:
    """Draw windows and pass each through `compare_pairs` and `decide`.

    What a window shows beside its primary test is compared only where that test passes: without it no other
    figure can make a PROMOTE.
    """
    generator = np.random.default_rng(seed)
    found = promoted = 0
    for begin in range(0, windows, _TOGETHER):
        drawn = [one.users(num_users, generator) for _ in range(min(_TOGETHER, windows - begin))]
        first = _compared(
            [_pairing(one, users, CHAMPION, profile.primary.metric) for users in drawn], profile
        )
        passing = [at for at, comparison in enumerate(first) if comparison.lower > 0]
        found += len(passing)
        questions = [list(_questions(one, drawn[at], profile)) for at in passing]
        rest = iter(_compared([pairing for asked in questions for pairing in asked], profile))
        for at, asked in zip(passing, questions, strict=True):
            comparisons = (first[at], *(next(rest) for _ in asked))
            promoted += decide(_evidence(comparisons, num_users), profile).outcome is Outcome.PROMOTE
    return Judged(primary=Rate(found=found, of=windows), promoted=Rate(found=promoted, of=windows))


def announcements(
    one: Population, profile: GateProfile, *, num_users: int, windows: int, seed: int
) -> list[PromotionPower]:
    """What the reports of some windows say of their power at the profile's effect of interest."""
    generator = np.random.default_rng(seed)
    drawn = [one.users(num_users, generator) for _ in range(windows)]
    primary = [_pairing(one, users, CHAMPION, profile.primary.metric) for users in drawn]
    asked = [[first, *_questions(one, users, profile)] for first, users in zip(primary, drawn, strict=True)]
    comparisons = iter(_compared([pairing for window in asked for pairing in window], profile))
    told = []
    for users, window in zip(drawn, asked, strict=True):
        found = [next(comparisons) for _ in window]
        power = promotion_power(one.window(users), CHALLENGER, CHAMPION, profile, found)
        assert power is not None
        told.append(power)
    return told


def _questions(one: Population, users: np.ndarray, profile: GateProfile) -> Iterator[Pairing]:
    for rival in profile.must_beat:
        yield _pairing(one, users, rival, profile.primary.metric)
    for guard in (*profile.required, *profile.if_evaluable):
        if isinstance(guard, NonInferiority) and (CHAMPION, guard.slice, guard.metric) in one.values:
            yield _pairing(one, users, CHAMPION, guard.metric, guard.slice)


def _pairing(one: Population, users: np.ndarray, baseline: str, metric: str, slice_: str = WHOLE) -> Pairing:
    return Pairing(
        challenger=CHALLENGER, baseline=baseline, metric=metric, slice=slice_,
        challenger_values=one.values[CHALLENGER, slice_, metric][users],
        baseline_values=one.values[baseline, slice_, metric][users],
    )  # fmt: skip


def _compared(pairings: Sequence[Pairing], profile: GateProfile) -> tuple[Comparison, ...]:
    primary = profile.primary
    return compare_pairs(
        pairings, alpha_one_sided=primary.alpha_one_sided, resamples=primary.resamples, seed=primary.seed,
        kind=primary.interval, power=primary.power, permutations=0,
    )  # fmt: skip


def _evidence(comparisons: tuple[Comparison, ...], num_users: int) -> GateInput:
    """Sound in all else: lists for everybody, trained before the cut, coverage enough."""
    return GateInput(
        challenger=CHALLENGER, champion=CHAMPION, users=num_users, one_arm_only=0.0, temporal_cut=True,
        comparisons=comparisons, list_figures={"coverage@10": 1.0}, digests={},
    )  # fmt: skip
