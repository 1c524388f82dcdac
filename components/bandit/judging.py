"""Whether a bandit over versions is worth more than the best single version, from rounds that it did not learn from.

Every policy (the bandit, each version for everybody) is valued on the same rounds by estimators that right
propensities make right, and compared in the same resamples of users. The reward model of DR is the bandit's own: it
knows none of these rounds and none of their users, so its errors cost width and bring no bias. (Users whom a hash
deals stay with their version: a bandit that had learned from them would meet their luck again in their later rounds.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from components.bandit.arm_log import ArmLog
from components.bandit.arm_policy import learn
from components.bandit.verdict import BANDIT, Lead, PolicyValue, decide, deciding
from components.evaluation.counterfactual import estimators
from components.evaluation.counterfactual.estimate import Estimate, estimate
from components.evaluation.counterfactual.estimators import Terms
from components.evaluation.counterfactual.logged import LoggedFeedback, LoggedFeedbackError
from components.evaluation.counterfactual.profile import LoggedProfile
from components.evaluation.counterfactual.resampling import bounds, resample
from components.evaluation.counterfactual.support import Support, describe_support
from components.evaluation.verdict import Verdict

FOLDS = 5  # of users: a round is judged by what the other four parts taught
_LOG = "log"


@dataclass(frozen=True, kw_only=True)
class BanditResult:
    """All that the log told; the same from the same inputs."""

    arms: tuple[str, ...]
    learned_rounds: int
    judged_rounds: int
    logged_mean: float
    logged_lower: float
    logged_upper: float
    policies: tuple[PolicyValue, ...]  # the bandit first
    leads: tuple[Lead, ...]
    exploring: float  # of the bandit's value: what the lists that it deals evenly bring, or cost
    best_single: str  # by the deciding estimator, on the judged rounds
    verdict: Verdict
    profile: LoggedProfile


def judge_bandit(
    first: ArmLog, later: ArmLog, arms: tuple[str, ...], profile: LoggedProfile, *, explore: float
) -> BanditResult:
    """PROMOTE where the bandit leads every single version, REJECT where it is behind one, HOLD where it is not told.

    `first` is learned from, `later` judged by. INVALID where a policy's support fails the diagnostics of a log: a
    version that the log never shows is one. Raises LoggedFeedbackError with fewer users than FOLDS, ValueError for an
    arm that the log does not name.
    """
    place = [later.arms.index(arm) for arm in arms]
    predicted, unexplored = _learned_from_others(first, later, arms)
    drawn_with = (1 - explore) * unexplored
    drawn_with[:, place] += explore / len(arms)
    read = {BANDIT: _read(later, drawn_with, predicted, place, profile)}
    for arm, at in zip(
        arms, place, strict=True
    ):  # one table at a time: rounds × arms is the largest thing here
        everybody = np.zeros_like(predicted)
        everybody[:, at] = 1.0
        read[arm] = _read(later, everybody, predicted, place, profile)
    without = _read(later, unexplored, predicted, place, profile).terms[profile.estimator].value
    logged = Terms(plain=later.reward)
    every = {f"{name} {e}": one for name, found in read.items() for e, one in found.terms.items()}
    drawn = resample(
        {_LOG: logged, **every}, np.unique(later.cluster, return_inverse=True)[1],
        resamples=profile.resamples, seed=profile.seed,
    )  # fmt: skip

    def against(name: str, other: str) -> tuple[Estimate, ...]:
        return tuple(
            estimate(
                e, found, drawn[f"{name} {e}"],
                logged if other == _LOG else read[other].terms[e],
                drawn[_LOG] if other == _LOG else drawn[f"{other} {e}"],
                alpha_one_sided=profile.alpha_one_sided,
            )
            for e, found in read[name].terms.items()
        )  # fmt: skip

    policies = tuple(
        PolicyValue(
            name=name,
            share=found.share,
            estimates=against(name, _LOG),
            support=found.support,
        )
        for name, found in read.items()
    )
    leads = tuple(Lead(version=arm, estimates=against(BANDIT, arm)) for arm in arms)
    best = max(policies[1:], key=lambda single: _worth(deciding(single.estimates, profile).value)).name
    lower, upper = bounds(drawn[_LOG], alpha_one_sided=profile.alpha_one_sided)
    return BanditResult(
        arms=arms,
        learned_rounds=len(first),
        judged_rounds=len(later),
        logged_mean=logged.value,
        logged_lower=lower,
        logged_upper=upper,
        policies=policies,
        leads=leads,
        exploring=read[BANDIT].terms[profile.estimator].value - without,
        best_single=best,
        verdict=decide(policies, leads, best, profile),
        profile=profile,
    )


@dataclass(frozen=True, kw_only=True)
class _Read:
    """What is kept of a policy's table of probabilities."""

    share: tuple[float, ...]
    terms: dict[str, Terms]
    support: Support


def _read(
    later: ArmLog,
    probabilities: Float[np.ndarray, "N A"],
    predicted: Float[np.ndarray, "N A"],
    place: list[int],
    profile: LoggedProfile,
) -> _Read:
    rounds = later.under(probabilities)
    return _Read(
        share=tuple(float(share) for share in probabilities[:, place].mean(axis=0)),
        terms=_terms(rounds, probabilities, predicted),
        support=describe_support(rounds, low_propensity_of_uniform=profile.low_propensity_of_uniform),
    )


def _learned_from_others(
    first: ArmLog, later: ArmLog, arms: tuple[str, ...]
) -> tuple[Float[np.ndarray, "N A"], Float[np.ndarray, "N A"]]:
    """Predicted rewards of the later rounds, and the chances of being best, from the first rounds of other users.

    Over all arms of the log; one that is not among `arms` is predicted the mean of all, and never drawn.
    """
    users = np.union1d(first.cluster, later.cluster)
    if len(np.unique(first.cluster)) < FOLDS:
        raise LoggedFeedbackError(
            f"the lists to learn from are of {len(np.unique(first.cluster)):,} users, who cannot be cut into {FOLDS} "
            "folds. Wait for lists of more users."
        )
    place = np.array([later.arms.index(arm) for arm in arms])
    predicted = np.empty((len(later), len(later.arms)))
    chances = np.zeros_like(predicted)
    of_first, of_later = (np.searchsorted(users, part.cluster) % FOLDS for part in (first, later))
    for fold in range(FOLDS):
        policy = learn(first.where(of_first != fold), arms, explore=0.0)
        own = np.flatnonzero(of_later == fold)
        predicted[own] = policy.overall
        predicted[np.ix_(own, place)] = policy.predicted(later.context[own])
        chances[np.ix_(own, place)] = policy.probabilities(later.context[own])
    return predicted, chances


def _terms(
    rounds: LoggedFeedback, probabilities: Float[np.ndarray, "N A"], predicted: Float[np.ndarray, "N A"]
) -> dict[str, Terms]:
    reward, weight = rounds.reward, rounds.weight
    q = predicted[np.arange(len(rounds)), rounds.action]
    value = (probabilities * predicted).sum(axis=1)
    return {
        "ips": estimators.ips(reward, weight),
        "snips": estimators.snips(reward, weight),
        "dr": estimators.dr(reward, weight, q, value),
        "sndr": estimators.sndr(reward, weight, q, value),
    }


def _worth(value: float) -> float:
    return value if math.isfinite(value) else -math.inf
