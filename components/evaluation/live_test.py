"""The live test read back: users dealt to two versions by hash, one outcome each, looked at as often as one likes.

Each user is worth z = (y - m) (A / p - (1 - A) / (1 - p)), with outcome y, arm A (1: challenger), the share p of the
users who get the challenger, and m the mean outcome of the users before. Dealing is by a hash that knows nothing of
the user, so the mean of z is the difference in outcome, whoever comes when; m only takes variance out of it. Their
running mean gets the interval of the replay's sequential gate, which holds at every look.

Sources: Howard et al. 2021 and Waudby-Smith & Ramdas 2024 (bounds), Waudby-Smith et al. 2024, arXiv:2103.06476
(average effects from dealt users), Fabijan et al. 2019 (sample ratio). Shapes: U users, in the order they came.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, Float, Int

from components.artifact import digest_of
from components.evaluation.profile import LEAST_USERS, ProfileError, Sequential
from components.evaluation.rehearsal import SRM_ALARM, SampleRatio, Unpaired, sample_ratio, welch
from components.evaluation.sequential import SequentialPath, follow

CHAMPION, CHALLENGER = 0, 1


class Call(StrEnum):
    PROMOTE = "PROMOTE"
    CONTINUE = "CONTINUE"
    STOP = "STOP"
    INVALID = "INVALID"


@dataclass(frozen=True, kw_only=True)
class LiveProfile:
    """What a live test is asked for. Checked when built: raises ProfileError."""

    name: str
    sequential: Sequential
    alpha: float = 0.05  # two-sided, over all looks together
    effect_of_interest: float = (
        0.01  # absolute, in outcome rate: a gain that is surely smaller is not waited for
    )

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1 or self.effect_of_interest <= 0:
            raise ProfileError(f"{self.name}: alpha lies between 0 and 1, the effect of interest above 0")
        if self.sequential.n_min < LEAST_USERS or self.sequential.v_opt <= 0:
            raise ProfileError(
                f"{self.name}: looks begin at {LEAST_USERS} users or later, and v_opt is above 0"
            )

    @property
    def hash(self) -> str:
        return digest_of(asdict(self))


def small() -> LiveProfile:
    """Hundreds of users: bounds that hold at every size, wide as they are."""
    return LiveProfile(
        name="small", sequential=Sequential(enabled=True, method="empirical_bernstein", n_min=100)
    )


def production() -> LiveProfile:
    """Thousands of users and more: the tighter asymptotic bounds, from where they hold on rare outcomes too."""
    return LiveProfile(
        name="production",
        sequential=Sequential(enabled=True, n_min=2_000, v_opt=10_000),
        effect_of_interest=0.002,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class LiveUsers:
    """Users in the order in which they were first shown a list. A user's outcome is final once it is settled."""

    arm: Int[np.ndarray, "U"]  # CHAMPION or CHALLENGER
    outcome: Float[np.ndarray, "U"]  # in [0, 1]
    is_settled: Bool[np.ndarray, "U"]  # the time in which an outcome counts is over
    lists: Int[np.ndarray, "U"]  # that the user was shown
    rewarded: Int[np.ndarray, "U"]  # of these, lists with an outcome
    num_misdealt: int = 0  # users who were shown the version that their hash does not deal them

    def __len__(self) -> int:
        return len(self.arm)


@dataclass(frozen=True, kw_only=True)
class VariantFigures:
    users: int
    settled: int
    lists: int
    list_rate: float  # lists with an outcome; NaN without lists
    outcome_rate: float  # settled users with an outcome; NaN without any

    @property
    def waiting(self) -> int:
        return self.users - self.settled


@dataclass(frozen=True, kw_only=True)
class Reason:
    code: str  # sample_ratio, misdealt, too_few_users, no_outcomes, better, worse, too_small_to_matter, undecided
    text: str


@dataclass(frozen=True, kw_only=True)
class LiveResult:
    """What the live test tells at this look. Without a valid split there is no difference to be told."""

    call: Call
    reasons: tuple[Reason, ...]
    share: float  # of the users who should get the challenger
    champion: VariantFigures
    challenger: VariantFigures
    sample_ratio: SampleRatio
    path: SequentialPath | None  # of the difference in outcome rate; None: not valid, or nobody is settled
    unpaired: Unpaired | None  # Welch: valid for one look, at an end that was planned
    profile: LiveProfile


def read_live_test(
    users: LiveUsers, profile: LiveProfile, *, share: float, champion: str, challenger: str
) -> LiveResult:
    """Check the split, follow the difference, call it. `share` lies between 0 and 1; there is at least one user.

    PROMOTE: the interval lies above 0. STOP: it lies below 0, or below the effect of interest. INVALID: the split is
    not the one that was asked for. CONTINUE: everything else.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}: with nobody, or everybody, on one version there is no test")
    counts = np.bincount(users.arm, minlength=2)
    ratio = sample_ratio(counts.tolist(), [1 - share, share])
    broken = _broken(users, counts, ratio, share)
    settled = users.is_settled
    path = None if broken else _path(users, profile, share=share, champion=champion, challenger=challenger)
    groups = [users.outcome[settled & (users.arm == arm)] for arm in (CHAMPION, CHALLENGER)]
    unpaired = welch(*groups) if not broken and min(map(len, groups)) > 1 else None
    call, reason = _call(path, profile, int(settled.sum()), has_outcomes=bool(users.outcome[settled].any()))
    return LiveResult(
        call=Call.INVALID if broken else call,
        reasons=broken or (reason,),
        share=share,
        champion=_figures(users, CHAMPION),
        challenger=_figures(users, CHALLENGER),
        sample_ratio=ratio,
        path=path,
        unpaired=unpaired,
        profile=profile,
    )


def _broken(
    users: LiveUsers, counts: Int[np.ndarray, "2"], ratio: SampleRatio, share: float
) -> tuple[Reason, ...]:
    found = []
    if ratio.alarm:
        text = (
            f"{counts[0]:,} users got the champion and {counts[1]:,} the challenger, and {1 - share:.0%} to "
            f"{share:.0%} was asked for: p = {ratio.p:.2g}, below {SRM_ALARM}. Lists of one version are lost or not "
            "logged; find out why before anything is concluded"
        )
        found.append(Reason(code="sample_ratio", text=text))
    if users.num_misdealt:
        text = (
            f"{users.num_misdealt:,} users were shown another version than salt and share deal them: the log holds "
            "lists of another split"
        )
        found.append(Reason(code="misdealt", text=text))
    return tuple(found)


def _path(
    users: LiveUsers, profile: LiveProfile, *, share: float, champion: str, challenger: str
) -> SequentialPath | None:
    """The running mean of z over settled users; None without any."""
    outcome, arm = users.outcome[users.is_settled], users.arm[users.is_settled]
    if not len(outcome):
        return None
    # of the users before, so that no user has a part in what is taken off them
    before = np.concatenate([[0.0], outcome.cumsum()[:-1] / np.arange(1, len(outcome))])
    z = (outcome - before) * np.where(arm == CHALLENGER, 1 / share, -1 / (1 - share))
    scale = min(share, 1 - share)  # brings z into [-1, 1], which is what bounds are made for
    settings = profile.sequential
    path = follow(
        z * scale, challenger=challenger, baseline=champion, metric="outcome rate", method=settings.method,
        alpha=profile.alpha, n_min=settings.n_min, v_opt=settings.v_opt, decides=True,
    )  # fmt: skip

    def back(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(float(v) for v in np.clip(np.array(values) / scale, -1, 1))

    return replace(path, mean=back(path.mean), lower=back(path.lower), upper=back(path.upper))


def _call(
    path: SequentialPath | None, profile: LiveProfile, settled: int, *, has_outcomes: bool
) -> tuple[Call, Reason]:
    least, wish = profile.sequential.n_min, profile.effect_of_interest
    if path is None or settled < least:
        text = f"{settled:,} users are settled; looks begin at {least:,}"
        return Call.CONTINUE, Reason(code="too_few_users", text=text)
    if not has_outcomes:
        text = f"none of {settled:,} settled users has an outcome: see what counts as one, and whether events arrive"
        return Call.CONTINUE, Reason(code="no_outcomes", text=text)
    mean, lower, upper = path.mean[-1], path.lower[-1], path.upper[-1]
    told = f"{mean:+.4f} [{lower:+.4f}, {upper:+.4f}] in outcome rate, {settled:,} users"
    if lower > 0:
        return Call.PROMOTE, Reason(code="better", text=f"the challenger is better: {told}")
    if upper < 0:
        return Call.STOP, Reason(code="worse", text=f"the challenger is worse: {told}")
    if upper < wish:
        text = f"any gain is smaller than {wish:g}, the effect of interest: {told}"
        return Call.STOP, Reason(code="too_small_to_matter", text=text)
    needed = math.ceil(settled * ((upper - lower) / 2 / wish) ** 2)
    text = f"no difference is shown yet: {told}; to see {wish:g} it would take some {needed:,} users"
    return Call.CONTINUE, Reason(code="undecided", text=text)


def _figures(users: LiveUsers, arm: int) -> VariantFigures:
    own = users.arm == arm
    settled = own & users.is_settled
    lists = int(users.lists[own].sum())
    return VariantFigures(
        users=int(own.sum()),
        settled=int(settled.sum()),
        lists=lists,
        list_rate=float(users.rewarded[own].sum() / lists) if lists else math.nan,
        outcome_rate=float(users.outcome[settled].mean()) if settled.any() else math.nan,
    )
