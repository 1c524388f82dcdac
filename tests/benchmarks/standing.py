"""Where every arm and peer stands: means over users with intervals, and paired differences between rows.

A row is an arm or peer on one data set. Its seeds are averaged within each user, then users are drawn with
replacement (percentile interval, 95 %): what is uncertain is which users there are, not which seed was drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from jaxtyping import Float

from components.evaluation.bootstrap import bootstrap_means, interval
from tests.benchmarks.leave_one_out import hit_rate, ndcg
from tests.benchmarks.results import ArmRun

RESAMPLES, SEED = 2_000, 7


class UsersDiffer(ValueError):
    """Two runs on one data set are not about the same users in the same order."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    mean: float
    lower: float  # 95 %
    upper: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """One arm on one data set. Gains are means over its seeds."""

    data: str
    arm: str
    role: str  # "peer", or what `arms.View` says
    codes: str  # none, semantic, random
    seeds: tuple[int, ...]
    gains: Float[np.ndarray, "user"]  # NDCG@10, fil
    ndcg: Interval  # fil
    hit_rate: float  # HR@10, fil
    ndcg_unf: float
    hit_rate_unf: float
    figures: dict[str, float]  # means over seeds of what the runs cost; peaks of memory are the highest

    @property
    def is_peer(self) -> bool:
        return self.role == "peer"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """NDCG@10 `fil` of one row minus that of another, paired by user."""

    data: str
    what: str
    first: str
    second: str
    difference: Interval
    ratio: float  # of the means


_COSTS = ("training_cpu_seconds", "codes_cpu_seconds", "parameters", "users_per_cpu_second")


def rows_of(runs: Sequence[ArmRun]) -> list[Row]:
    """One row an arm and data set, best first within a data set. Raises UsersDiffer."""
    rows = []
    for data, group in groupby(sorted(runs, key=lambda one: one.data), key=lambda one: one.data):
        chosen = list(group)
        for one in chosen[1:]:
            if one.users.tolist() != chosen[0].users.tolist():
                raise UsersDiffer(
                    f"{data}: {one.arm} (seed {one.seed}) was measured on other users than {chosen[0].arm}; "
                    "remove the older files and run it again"
                )
        by_arm: dict[str, list[ArmRun]] = {}
        for one in chosen:
            by_arm.setdefault(one.arm, []).append(one)
        gains = {
            arm: np.mean([ndcg(one.fil) for one in runs], axis=0) for arm, runs in sorted(by_arm.items())
        }
        intervals = _intervals(gains)
        rows += [_row(data, runs, gains[arm], intervals[arm]) for arm, runs in sorted(by_arm.items())]
    return sorted(rows, key=lambda row: (row.data, -row.ndcg.mean, row.arm))


def compare(what: str, first: Row, second: Row) -> Difference:
    paired = first.gains - second.gains
    return Difference(
        data=first.data,
        what=what,
        first=first.arm,
        second=second.arm,
        difference=_intervals({"difference": paired})["difference"],
        ratio=first.ndcg.mean / second.ndcg.mean if second.ndcg.mean else float("inf"),
    )


def best(rows: Sequence[Row], **wanted: Any) -> Row | None:
    """The row with the highest NDCG@10 among those whose attributes are as asked; a tuple holds choices."""
    found = [
        row
        for row in rows
        if all(
            getattr(row, name) in (value if isinstance(value, tuple) else (value,))
            for name, value in wanted.items()
        )
    ]
    return max(found, key=lambda row: row.ndcg.mean, default=None)


def comparisons(rows: Sequence[Row]) -> list[Difference]:
    """What the issue asks to be paired, where both sides are there."""
    found = []
    for data in sorted({row.data for row in rows}):
        here = [row for row in rows if row.data == data]
        peer = best(here, role="peer")
        semantic = best(here, codes="semantic")
        generative = best(here, role=("generative", "hybrid"))
        pairs = [
            ("semantic IDs - best peer", semantic, peer),
            ("generative - best peer", generative, peer),
            ("generative by tuples alone - best peer", best(here, role="generative"), peer),
            ("generative - dense control", generative, best(here, role="dense_control")),
            ("sasrec - ref_sasrec", best(here, arm="sasrec"), best(here, arm=REFERENCE)),
        ]
        pairs += [
            (f"{row.arm}: codes - random codes", row, twin)
            for row in here
            if row.codes == "semantic" and (twin := best(here, arm=_with_random_codes(row.arm)))
        ]
        found += [compare(what, a, b) for what, a, b in pairs if a is not None and b is not None]
    return found


REFERENCE = ("ref_sasrec", "ref_sasrec_b64")


def _with_random_codes(arm: str) -> str:
    """mmgrec_beam → mmgrec_random_beam, tiger → tiger_random."""
    family, _, view = arm.rpartition("_")
    return f"{family}_random_{view}" if view in ("beam", "hybrid", "exact") else f"{arm}_random"


def _row(data: str, runs: Sequence[ArmRun], gains: np.ndarray, interval_: Interval) -> Row:
    figures = [one.figures for one in runs]
    costs = {
        name: float(np.mean([one[name] for one in figures]))
        for name in _COSTS
        if all(name in one for one in figures)
    }
    peaks = {
        name: max(one[name] for one in figures)
        for name in ("peak_mb", "training_peak_mb")
        if all(name in one for one in figures)
    }
    return Row(
        data=data,
        arm=runs[0].arm,
        role="peer" if figures[0]["is_peer"] else figures[0]["role"],
        codes=figures[0].get("codes", "none"),
        seeds=tuple(one.seed for one in runs),
        gains=gains,
        ndcg=interval_,
        hit_rate=float(np.mean([hit_rate(one.fil) for one in runs])),
        ndcg_unf=float(np.mean([ndcg(one.unf) for one in runs])),
        hit_rate_unf=float(np.mean([hit_rate(one.unf) for one in runs])),
        figures=costs | peaks,
    )


def _intervals(columns: dict[str, np.ndarray]) -> dict[str, Interval]:
    replicates = bootstrap_means(np.column_stack(list(columns.values())), resamples=RESAMPLES, seed=SEED)
    found = {}
    for at, (name, values) in enumerate(columns.items()):
        lower, upper = interval(replicates[:, at], values)
        found[name] = Interval(mean=float(values.mean()), lower=lower, upper=upper)
    return found
