"""How often the gate is wrong, and how often it finds what is there: simulated replays against its promises.

Made of the rolling replay of MovieLens-100K (401 users) with EASE. An A/A world is EASE with noise on its
weights against itself with other noise, at three sizes of noise; or two different arms, tilted until neither is
better, which leaves differences that are zero-inflated and skewed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from components.evaluation.gate import GateProfile, NonInferiority, production, small
from components.evaluation.scores import ReplayScores, score_replay
from components.evaluation.slices import standard_slices
from components.recommender.arms.ease import EASEArm
from tests.benchmarks.movielens_replay import open_replay, perturbed
from tests.benchmarks.simulated_replays import (
    Judged,
    Population,
    Rate,
    announcements,
    exchangeable,
    judge_windows,
    population,
    with_truth,
)

WINDOWS = 4_000
POWERS: Mapping[tuple[str, int], tuple[int, int, tuple[float, ...]]] = {
    # profile and users: windows, those whose announcements are averaged, powers of the primary's test alone
    ("small", 291): (2_000, 1_000, (0.5, 0.8)),
    ("small", 401): (2_000, 1_000, (0.5, 0.8)),
    ("production", 5_000): (1_000, 300, (0.8,)),  # a window costs a second
}
SIZES: Mapping[str, tuple[int, ...]] = {"small": (200, 291, 400), "production": (5_000, 20_000)}
OF_MANY_USERS: Mapping[int, tuple[str, ...]] = {  # where a window costs seconds: one split, one skewed
    5_000: ("noise 0.1", "skewed against"),
    20_000: ("noise 0.1",),
}
NOISE = (0.02, 0.1, 0.3)  # of the spread of EASE's weights
KINDS = ("percentile", "bca", "studentised")
_PRIMARY = ("all", "ndcg@10")


def level(
    cache: Path, *, windows: int = WINDOWS, sizes: Mapping[str, tuple[int, ...]] = SIZES
) -> dict[str, Any]:
    """Promotions where there is nothing to promote: at most alpha, within the binomial bound, in every row."""
    begin, rows = time.process_time(), []
    scores = scored(cache)
    for profile in (small(), production()):
        worlds = _equal_worlds(scores, profile)
        for users in sizes.get(profile.name, ()):
            for name in OF_MANY_USERS.get(users, tuple(worlds)):
                world = worlds[name]
                judged = judge_windows(world, profile, num_users=users, windows=windows, seed=users)
                rows.append(
                    _row(profile, users, name, world)
                    | _rates(judged)
                    | {"alpha": profile.primary.alpha_one_sided}
                )
    above = [
        row for row in rows if row["primary_lower"] > row["alpha"] or row["promoted_lower"] > row["alpha"]
    ]
    return {"rows": rows, "rows_above_alpha": len(above), "cpu_seconds": time.process_time() - begin}


def intervals(cache: Path, *, windows: int = WINDOWS, users: int = 200) -> dict[str, Any]:
    """The primary test alone on the smallest window, by each kind of interval: why the default is what it is."""
    begin, rows = time.process_time(), []
    for name, world in _equal_worlds(scored(cache), small()).items():
        row = _row(small(), users, name, world)
        for kind in KINDS:
            profile = replace(small(), primary=replace(small().primary, interval=kind))
            row[kind] = judge_windows(
                world, profile, num_users=users, windows=windows, seed=users
            ).primary.share
        rows.append(row)
    return {"rows": rows, "cpu_seconds": time.process_time() - begin}


def power(
    cache: Path, *, powers: Mapping[tuple[str, int], tuple[int, int, tuple[float, ...]]] = POWERS
) -> dict[str, Any]:
    """Promotions with a planted lift of the primary, all guarded figures level, beside what reports announce.

    In one world recent popularity is hardly behind, so that having to beat it decides; in the other it is far.
    """
    begin, rows = time.process_time(), []
    scores = scored(cache)
    for profile in (small(), production()):
        worlds = {
            "rival close": population(scores, "ease", "ease_weak", profile),
            "rivals far behind": exchangeable(population(scores, "ease 0.3 0", "ease 0.3 1", profile)),
        }
        for (name, users), (windows, announced, wanted) in powers.items():
            if name != profile.name:
                continue
            for world, pair in worlds.items():
                for share in wanted:
                    z = stats.norm.ppf(0.975) + stats.norm.ppf(share)
                    effect = round(z * float(pair.difference("ndcg@10").std()) / users**0.5, 5)
                    found = planted(pair, profile, effect, users=users, windows=windows, announced=announced)
                    rows.append(found | {"world": world})
    outside = [row for row in rows if not row["promoted_lower"] <= row["announced"] <= row["promoted_upper"]]
    return {"rows": rows, "rows_off_announced": len(outside), "cpu_seconds": time.process_time() - begin}


def planted(
    pair: Population, profile: GateProfile, effect: float, *, users: int, windows: int, announced: int
) -> dict[str, Any]:
    """One setting; the announcements are those of a profile whose effect of interest is the planted one."""
    guarded = {
        (guard.slice, guard.metric): 0.0
        for guard in (*profile.required, *profile.if_evaluable)
        if isinstance(guard, NonInferiority) and _is_judged(pair, guard, profile, users)
    }
    world = with_truth(pair, {_PRIMARY: effect, **guarded})
    asked = replace(profile, primary=replace(profile.primary, effect_of_interest=effect))
    told = announcements(world, asked, num_users=users, windows=announced, seed=users + 1)
    powers = np.array([one.power for one in told])
    error = 1.96 * float(powers.std(ddof=1)) / announced**0.5
    judged = judge_windows(world, asked, num_users=users, windows=windows, seed=users)
    return {
        **_row(profile, users, "planted", world),
        "effect": effect,
        "announced": float(powers.mean()),
        "announced_lower": float(powers.mean()) - error,
        "announced_upper": float(powers.mean()) + error,
        "announced_primary": float(np.mean([one.primary_power for one in told])),
        **_rates(judged),
    }


def _is_judged(pair: Population, guard: NonInferiority, profile: GateProfile, users: int) -> bool:
    if ("champion", guard.slice, guard.metric) not in pair.values:
        return False
    share = float(np.mean(~np.isnan(pair.difference(guard.metric, guard.slice))))
    return guard.slice == "all" or share * users >= profile.validity.min_slice_users


def scored(cache: Path) -> ReplayScores:
    """EASE, EASE with a ridge that is too strong, two noisy runs of EASE a size of noise, and the popularity arms."""
    replay = open_replay(cache)
    lists = {name: replay.lists(arm) for name, arm in replay.arms.items()}
    ease = replay.arms["ease"]
    assert isinstance(ease, EASEArm)
    for noise in NOISE:
        for run in range(2):
            lists[f"ease {noise} {run}"] = replay.lists(perturbed(ease, noise, run))
    return score_replay(replay.plan, lists, slices=standard_slices(replay.plan))


def _equal_worlds(scores: ReplayScores, profile: GateProfile) -> dict[str, Population]:
    split = {
        f"noise {noise}": exchangeable(population(scores, f"ease {noise} 0", f"ease {noise} 1", profile))
        for noise in NOISE
    }
    different = {
        "skewed against": ("ease", "recent_popularity"),
        "skewed for": ("recent_popularity", "ease"),
        "ridge": ("ease", "ease_weak"),
    }
    return split | {
        name: with_truth(population(scores, *pair, profile), {_PRIMARY: 0.0})
        for name, pair in different.items()
    }


def _row(profile: GateProfile, users: int, name: str, world: Population) -> dict[str, Any]:
    difference = world.difference(profile.primary.metric)
    return {
        "profile": profile.name,
        "users": users,
        "world": name,
        "skewness": world.mean_and_skewness(profile.primary.metric)[1],
        "zero_share": float(world.weights[np.abs(difference) < 1e-12].sum()),
    }


def _rates(judged: Judged) -> dict[str, Any]:
    def told(what: str, rate: Rate) -> Iterable[tuple[str, float]]:
        return zip((what, f"{what}_lower", f"{what}_upper"), (rate.share, *rate.bounds), strict=True)

    return {
        "windows": judged.primary.of,
        **dict(told("primary", judged.primary)),
        **dict(told("promoted", judged.promoted)),
    }
