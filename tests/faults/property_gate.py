"""What may never turn the gate the wrong way, over users' values under three arms.

Resamples are few (the bounds follow the same formulas with any number), and a profile asks for as many as its alpha.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from components.evaluation.comparison import Comparison, Pairing, compare_pairs
from components.evaluation.gate import GateInput, Outcome, Verdict, decide, small
from components.evaluation.profile import NonInferiority, Threshold, Validity
from tests.faults.property import Property

_RANK = {Outcome.REJECT: 0, Outcome.HOLD: 1, Outcome.PROMOTE: 2}
_GUARD = NonInferiority(metric="recall@50", margin=0.02)
_PROFILE = replace(
    small(), validity=Validity(min_users=30, min_slice_users=30), must_beat=("popularity",), if_evaluable=(),
    latency=None, required=(_GUARD, Threshold(metric="coverage@10", min_value=0.05)),
    primary=replace(small().primary, resamples=2_000),
)  # fmt: skip
_NOT_A_FIGURE = (math.nan, math.inf, -math.inf)


@dataclass(frozen=True, kw_only=True)
class _World:
    """Users' values of a challenger's rivals, how the challenger differs from the champion, and by how much more."""

    seed: int
    users: int
    effect: float
    spread: float
    share_equal: float
    gain: float
    broken: float  # a figure that is none
    where: str

    def arrays(self) -> dict[str, np.ndarray]:
        chance = np.random.default_rng(self.seed)
        champion = chance.choice([0.0, 0.3, 0.5, 1.0], size=self.users, p=[0.6, 0.2, 0.1, 0.1])
        differs = np.where(
            chance.random(self.users) < self.share_equal,
            0.0,
            chance.normal(self.effect, self.spread, self.users),
        )
        return {"old": champion, "popularity": champion * 0.5, "new": champion + differs}


def properties(folder: Path) -> Iterator[Property]:
    del folder
    worlds = st.builds(
        _World, seed=st.integers(0, 2**32 - 1), users=st.sampled_from([0, 1, 29, 30, 31, 120, 300]),
        effect=st.floats(-0.05, 0.05), spread=st.floats(0, 0.3), share_equal=st.floats(0, 1), gain=st.floats(0, 0.5),
        broken=st.sampled_from(_NOT_A_FIGURE), where=st.sampled_from(["delta", "lower", "upper"]),
    )  # fmt: skip
    yield Property(
        name="gate monotone", where="compare_pairs and decide",
        holds="a gain of every user is no loss; what is no figure never passes; arms change places with signs",
        examples=worlds, check=_check,
    )  # fmt: skip


def _check(world: _World) -> None:
    arms = world.arrays()
    verdict = _judged(arms)
    if world.users < 30:
        assert verdict.outcome is Outcome.INVALID, f"{world}: {verdict.outcome} on {world.users} users"
        return
    everyone = dict(arms, new=arms["new"] + world.gain)
    gains = np.random.default_rng(world.seed + 1).random(world.users) * world.gain
    _no_lower(world, verdict, _judged(everyone), "the same gain for every user")
    _never_worse(world, arms, gains)
    _refuses_no_figure(world, arms)
    _changes_signs(world, arms)


def _no_lower(world: _World, before: Verdict, after: Verdict, what: str) -> None:
    assert _RANK[after.outcome] >= _RANK[before.outcome], (
        f"{world}: {what} made {before.outcome} {after.outcome}"
    )


def _never_worse(world: _World, arms: dict[str, np.ndarray], gains: np.ndarray) -> None:
    """A challenger that no user is worse off with.

    Against its former self nothing more holds: unequal gains may narrow the bounds of what is still a loss.
    """
    for better in (arms["new"] + gains, np.maximum(arms["old"], arms["popularity"]) + gains):
        compared = _compared(dict(arms, new=better))
        before = _compared(dict(arms, new=better - gains))
        fell = [c for c, was in zip(compared, before, strict=True) if c.delta < was.delta - 1e-12]
        assert not fell, f"{world}: every user gains, and a mean falls: {fell}"
    verdict = _decided(compared, world.users)
    said = [reason for reason in verdict.reasons if reason.startswith("worse") or "falls by more" in reason]
    assert not said, f"{world}: no user is worse off, and: {said}"
    assert all(c.delta >= 0 and c.upper >= 0 for c in compared), f"{world}: {compared}"


def _refuses_no_figure(world: _World, arms: dict[str, np.ndarray]) -> None:
    good = _compared(dict(arms, new=arms["new"] + 1))
    for place in range(len(good)):
        broken = [replace(c, **{world.where: world.broken}) if n == place else c for n, c in enumerate(good)]
        assert _decided(broken, world.users).outcome is not Outcome.PROMOTE, (
            f"{world}: passed with {broken[place]}"
        )
    absent = [c for c in good if c.baseline != "old"]
    assert _decided(absent, world.users).outcome is not Outcome.PROMOTE, (
        f"{world}: passed without the champion"
    )
    for coverage in _NOT_A_FIGURE:
        told = _decided(good, world.users, coverage=coverage)
        assert told.outcome is not Outcome.PROMOTE, f"{world}: passed with a coverage of {coverage}"
    for share in _NOT_A_FIGURE:
        told = _decided(good, world.users, one_arm_only=share)
        assert told.outcome is Outcome.INVALID, (
            f"{world}: {share} of users without a list, and {told.outcome}"
        )


def _changes_signs(world: _World, arms: dict[str, np.ndarray]) -> None:
    """Challenger and champion in each other's place: the estimate and its bounds change places and signs.

    The bounds are resampled, so they agree to what resampling leaves open.
    """
    one, other = (_one(arms["new"], arms["old"]), _one(arms["old"], arms["new"]))
    assert math.isclose(one.delta, -other.delta, abs_tol=1e-12), f"{world}: {one.delta} and {other.delta}"
    assert math.isclose(one.sd, other.sd, abs_tol=1e-12), f"{world}: {one.sd} and {other.sd}"
    assert math.isclose(one.mde, other.mde, abs_tol=1e-12), f"{world}: {one.mde} and {other.mde}"
    loose = 1e-6 + 1e-3 * one.sd
    assert math.isclose(one.lower, -other.upper, abs_tol=loose), f"{world}: {one.lower} and {other.upper}"
    assert math.isclose(one.upper, -other.lower, abs_tol=loose), f"{world}: {one.upper} and {other.lower}"
    assert not (one.lower > 0 and other.lower > 0), f"{world}: each beats the other"


def _one(challenger: np.ndarray, baseline: np.ndarray) -> Comparison:
    return compare_pairs([_pair("new", "old", challenger, baseline)], resamples=2_000, permutations=0)[0]


def _pair(one: str, other: str, ours: np.ndarray, theirs: np.ndarray, metric: str = "ndcg@10") -> Pairing:
    return Pairing(
        challenger=one,
        baseline=other,
        metric=metric,
        slice="all",
        challenger_values=ours,
        baseline_values=theirs,
    )


def _compared(arms: dict[str, np.ndarray]) -> list[Comparison]:
    pairs = [_pair("new", rival, arms["new"], arms[rival]) for rival in ("popularity", "old")]
    guard = _pair("new", "old", arms["new"], arms["old"], _GUARD.metric)
    primary = _PROFILE.primary
    return list(
        compare_pairs(
            [*pairs, guard], alpha_one_sided=primary.alpha_one_sided, resamples=primary.resamples, seed=primary.seed,
            permutations=0,
        )
    )  # fmt: skip


def _judged(arms: dict[str, np.ndarray]) -> Verdict:
    return _decided(_compared(arms), len(arms["new"]))


def _decided(compared: list[Comparison], users: int, *, coverage: float = 0.3, **more: Any) -> Verdict:
    told = {"one_arm_only": 0.0, **more}
    return decide(
        GateInput(
            challenger="new", champion="old", users=users, temporal_cut=True, comparisons=tuple(compared),
            list_figures={"coverage@10": coverage}, digests={"new": "a", "old": "b"}, **told,
        ),
        _PROFILE,
    )  # fmt: skip
