"""Whole slates out of a log's rounds, and every slate estimator on them.

A round's weight is that of its item at its place, given the items above it; weights multiplied down a slate are
then those of the cascade. Shapes: N rounds, S slates, K places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from components.evaluation.counterfactual import slates
from components.evaluation.counterfactual.estimate import Estimate, estimate
from components.evaluation.counterfactual.estimators import Terms
from components.evaluation.counterfactual.logged import LoggedFeedback
from components.evaluation.counterfactual.profile import LoggedProfile
from components.evaluation.counterfactual.resampling import resample

_LOG = "log"


@dataclass(frozen=True, kw_only=True, eq=False)
class SlateRounds:
    """Rounds laid out by slate and place; a place that a shorter slate lacks has reward 0 and weight 1."""

    reward: Float[np.ndarray, "S K"]
    slot_weight: Float[np.ndarray, "S K"]
    cluster: Int[np.ndarray, "S"]

    @property
    def cascade_weight(self) -> Float[np.ndarray, "S K"]:
        return self.slot_weight.cumprod(axis=1)


def lay_out(feedback: LoggedFeedback, slate: Int[np.ndarray, "N"]) -> SlateRounds:
    """`slate` numbers the slates from 0; a slate lies within one cluster."""
    shape = (int(slate.max()) + 1, int(feedback.position.max()) + 1)
    reward, weight = np.zeros(shape), np.ones(shape)  # 1 leaves the product down a shorter slate as it is
    reward[slate, feedback.position] = feedback.reward
    weight[slate, feedback.position] = feedback.weight
    cluster = np.empty(shape[0], dtype=int)
    cluster[slate] = feedback.cluster
    return SlateRounds(reward=reward, slot_weight=weight, cluster=cluster)


def evaluate_slates(feedback: LoggedFeedback, profile: LoggedProfile) -> dict[str, Estimate] | None:
    """Estimates of a slate's summed reward, with intervals over clusters; None for a log without slates.

    The marginal weights of IIPS and pseudo-inverse are the rounds' own, so those two hold where places are
    drawn independently of one another.
    """
    if feedback.slate is None:
        return None
    laid = lay_out(feedback, feedback.slate)
    cascade = laid.cascade_weight
    logged = Terms(plain=laid.reward.sum(axis=1))
    terms = {
        "sips": slates.sips(laid.reward, cascade[:, -1]),
        "snsips": slates.snsips(laid.reward, cascade[:, -1]),
        "iips": slates.iips(laid.reward, laid.slot_weight),
        "rips": slates.rips(laid.reward, cascade),
        "pseudo_inverse": slates.pseudo_inverse(laid.reward, laid.slot_weight),
    }
    drawn = resample({_LOG: logged, **terms}, laid.cluster, resamples=profile.resamples, seed=profile.seed)
    return {
        name: estimate(name, term, drawn[name], logged, drawn[_LOG], alpha_one_sided=profile.alpha_one_sided)
        for name, term in terms.items()
    }
