"""Whether a log can tell anything of a policy: the weights' own figures. Shapes: N rounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from components.evaluation import statistics
from components.evaluation.counterfactual.logged import LoggedFeedback


@dataclass(frozen=True, kw_only=True)
class Support:
    """Figures of w = pi_e / p_0 and of where pi_e's mass lies. NaN where they are not defined."""

    rounds: int
    clusters: int
    rewarded: int  # rounds with a reward other than 0
    rewarded_worth: float  # effective number of them, as their weighted rewards count
    mean_weight: float  # 1, up to chance, if p_0 is what was logged and covers pi_e
    mean_weight_se: float  # between clusters
    max_weight: float
    max_weight_share: float  # of the sum
    ess: float  # (sum w)² / sum w²: rounds of one weight that would be worth the same
    min_propensity: float
    low_propensity: float  # below it an action counts as hardly ever shown
    low_propensity_share: float  # of pi_e's mass
    never_shown_share: float | None  # of pi_e's mass; None if the policy is not known for every action
    is_deterministic: bool  # the log never drew: every propensity is 1
    is_uniform: bool  # the log drew all actions alike


def effective_sample_size(weight: Float[np.ndarray, "N"]) -> float:
    """(sum w)² / sum w², at most N; 0 if every weight is 0."""
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0


def describe_support(feedback: LoggedFeedback, *, low_propensity_of_uniform: float) -> Support:
    """Figures of the log under the target policy.

    An action counts as hardly ever shown below `low_propensity_of_uniform` times 1 / number of actions. The
    share of pi_e's mass there is estimated from the log: the share of the weights on such rounds.
    """
    weight, propensity = feedback.weight, feedback.propensity
    total = float(weight.sum())
    low = low_propensity_of_uniform / len(feedback.actions)
    return Support(
        rounds=len(feedback),
        clusters=feedback.num_clusters,
        rewarded=int((feedback.reward != 0).sum()),
        rewarded_worth=effective_sample_size(np.abs(weight * feedback.reward)),
        mean_weight=float(weight.mean()),
        mean_weight_se=_clustered_se(feedback.cluster, weight),
        max_weight=float(weight.max()),
        max_weight_share=float(weight.max()) / total if total > 0 else math.nan,
        ess=effective_sample_size(weight),
        min_propensity=float(propensity.min()),
        low_propensity=low,
        low_propensity_share=float(weight[propensity < low].sum()) / total if total > 0 else math.nan,
        never_shown_share=_never_shown(feedback),
        is_deterministic=bool((propensity == 1).all()),
        is_uniform=bool(np.ptp(propensity) <= 1e-9 and propensity[0] < 1),
    )


def _clustered_se(cluster: Int[np.ndarray, "N"], weight: Float[np.ndarray, "N"]) -> float:
    if cluster.max() == 0:
        return math.nan
    return statistics.clustered_mean(cluster, weight).cluster_se


def _never_shown(feedback: LoggedFeedback) -> float | None:
    """Mean mass that pi_e gives, at a round's position, to actions that the log never shows there."""
    policy = feedback.policy
    if policy is None:
        return None
    num_positions = int(feedback.position.max()) + 1
    is_shown = np.zeros((num_positions, len(feedback.actions)), dtype=bool)
    # shown at that very place: a log that shows an item elsewhere says nothing of it here
    is_shown[feedback.position, feedback.action] = True
    lost = 0.0
    for position in range(num_positions):
        uses = np.bincount(policy.row[feedback.position == position], minlength=len(policy.probabilities))
        lost += float((uses @ policy.normalised)[~is_shown[position]].sum())
    return lost / len(feedback)
