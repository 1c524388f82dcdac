"""A rolling back-test: the same question over several windows, and what they say together.

The window is the unit: a loop lives through windows one by one, so each counts alike, and what differs from one
to the next is part of what is not known about the next. k window means give Student's t with k - 1 degrees of
freedom, which holds for few and unlike windows (Ibragimov & Müller 2010, doi:10.1198/jbes.2009.08046). It takes
windows as independent, and windows of the same users are not: whom one model serves better than the other in one
window, it does in the next. That part of the variance is added, as the mean covariance of two windows by their
shared users: the user's side of two-way clustering (Cameron, Gelbach & Miller 2011, doi:10.1198/jbes.2010.07136).
Successive models are of one making and share their training data; no interval holds that against them, and this
one speaks of this data and this recipe.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from jaxtyping import Float
from scipy import special

PROMOTED = "PROMOTE"


@dataclass(frozen=True, kw_only=True)
class PairedWindow:
    """Challenger minus rival on one window, one difference a user."""

    users: np.ndarray  # [U] ids, each once
    differences: Float[np.ndarray, "U"]


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """Challenger minus rival over all windows in which both stood."""

    rival: str
    windows: int
    users: int  # different ones
    mean: float  # of the windows' means, each counting alike
    lower: float | None  # None with one window: nothing says how windows differ
    upper: float | None
    spread: float | None  # standard deviation of the windows' means
    shared: float | None  # covariance of two windows by their shared users, as it was added to the variance


@dataclass(frozen=True, kw_only=True)
class Lead:
    """Challenger minus rival on one window, mean over users with its own interval."""

    delta: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class TestedWindow:
    """One window [cut, end): trained before it, replayed on it. `verdict` is "" where nothing happened in it."""

    cut: datetime
    end: datetime
    verdict: str
    reason: str
    users: int
    version: str  # of the challenger, in the back-test's own registry
    champion: str | None  # whom it faced there
    ndcg: float | None  # the challenger's mean of the primary metric
    leads: Mapping[str, Lead]  # rival →

    @property
    def is_promoted(self) -> bool:
        return self.verdict == PROMOTED


@dataclass(frozen=True, kw_only=True)
class TestedArm:
    """A challenger's way through the windows: who was promoted in one is champion in the next."""

    challenger: str
    windows: tuple[TestedWindow, ...]
    pooled: tuple[Pooled, ...]

    @property
    def judged(self) -> tuple[TestedWindow, ...]:
        """Windows in which something happened."""
        return tuple(window for window in self.windows if window.verdict)

    @property
    def num_promoted(self) -> int:
        return sum(window.is_promoted for window in self.windows)


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """All that a back-test found. No user's id is in it."""

    source: str
    metric: str
    confidence: float
    step_seconds: float
    arms: tuple[TestedArm, ...]
    notes: tuple[str, ...]  # what a reader should hold against it
    digest: str  # of what was asked


def pool(rival: str, windows: Sequence[PairedWindow], *, confidence: float = 0.95) -> Pooled:
    """Mean of the windows' means, with the interval described above. Needs a window, and users in each.

    With disjoint users it is Student's t over windows. A negative covariance counts as none, so that shared users never
    make the interval narrower.
    """
    means = np.array([window.differences.mean() for window in windows])
    users = len(set().union(*(window.users.tolist() for window in windows)))
    mean, k = float(means.mean()), len(windows)
    if k < 2:
        return Pooled(
            rival=rival, windows=k, users=users, mean=mean, lower=None, upper=None, spread=None, shared=None
        )
    shared = max(0.0, _covariance(windows))
    half = special.stdtrit(k - 1, (1 + confidence) / 2) * math.sqrt(means.var(ddof=1) / k + shared)
    return Pooled(
        rival=rival, windows=k, users=users, mean=mean, lower=mean - half, upper=mean + half,
        spread=float(means.std(ddof=1)), shared=shared,
    )  # fmt: skip


def _covariance(windows: Sequence[PairedWindow]) -> float:
    """Mean covariance of two windows' means, from the users whom they share.

    sum over shared users of e_ui e_uj / (n_i n_j), with e the distance of a user's difference from the window's mean.
    """
    parts = [
        dict(
            zip(
                window.users.tolist(),
                (window.differences - window.differences.mean()) / len(window.differences),
                strict=True,
            )
        )
        for window in windows
    ]
    pairs = [
        sum(value * parts[j][user] for user, value in parts[i].items() if user in parts[j])
        for i in range(len(parts))
        for j in range(i)
    ]
    return float(np.mean(pairs))
