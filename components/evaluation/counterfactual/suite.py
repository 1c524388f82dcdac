"""Every estimator that one log defines, taken apart into terms; thresholds chosen, the reward model fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from components.evaluation.counterfactual import estimators
from components.evaluation.counterfactual.estimators import Terms
from components.evaluation.counterfactual.logged import LoggedFeedback
from components.evaluation.counterfactual.profile import LoggedProfile
from components.evaluation.counterfactual.reward_model import RewardModel, fit_reward_model, smoothed_means
from components.evaluation.counterfactual.threshold import choose_threshold

ORDER = ("replay", "ips", "snips", "clipped_ips", "dm", "dr", "sndr", "clipped_dr", "switch_dr", "dros")
LOWERED = {
    "clipped_dr": estimators.clipped,
    "switch_dr": estimators.switched,
    "dros": estimators.shrunk,
}


@dataclass(frozen=True, kw_only=True)
class Suite:
    """By name of estimator; one without terms is undefined, and its note says why."""

    terms: dict[str, Terms]
    thresholds: dict[str, float]
    notes: dict[str, str]


def estimator_suite(feedback: LoggedFeedback, profile: LoggedProfile, *, is_uniform: bool) -> Suite:
    """Estimators of `ORDER` on this log. Those with a reward model need pi_e over all actions.

    Thresholds are chosen once and held in every resample; so are replay's draws.
    """
    reward, weight = feedback.reward, feedback.weight
    largest = float(np.abs(smoothed_means(feedback, smoothing=profile.smoothing)).max())
    clip = choose_threshold(estimators.clipped, weight, reward, largest=largest)
    terms = {
        "ips": estimators.ips(reward, weight),
        "snips": estimators.snips(reward, weight),
        "clipped_ips": estimators.clipped_ips(reward, weight, clip),
    }
    thresholds, notes = {"clipped_ips": clip}, {}
    if is_uniform:
        matched = estimators.drawn_matches(feedback.target, seed=profile.seed)
        terms["replay"] = estimators.replay(reward, matched)
        notes["replay"] = f"{int(matched.sum()):,} rounds match"
    else:
        notes["replay"] = "the log is not uniform random"
    if feedback.policy is None:
        why = "the target policy is not known over all actions"
    elif feedback.num_clusters < profile.folds:
        why = f"{feedback.num_clusters} users or slates cannot be cut into {profile.folds} folds"
    else:
        model = fit_reward_model(feedback, feedback.policy, folds=profile.folds, smoothing=profile.smoothing)
        with_model, chosen = _model_terms(feedback, model)
        return Suite(terms={**terms, **with_model}, thresholds={**thresholds, **chosen}, notes=notes)
    notes |= dict.fromkeys(("dm", "dr", "sndr", *LOWERED), why)
    return Suite(terms=terms, thresholds=thresholds, notes=notes)


def _model_terms(feedback: LoggedFeedback, model: RewardModel) -> tuple[dict[str, Terms], dict[str, float]]:
    reward, weight, q, value = feedback.reward, feedback.weight, model.q, model.value
    mean_weight = weight.mean()
    terms = {
        "dm": _with_error(estimators.dm(value), model, np.zeros(len(weight))),
        "dr": _with_error(estimators.dr(reward, weight, q, value), model, weight),
        "sndr": _with_error(
            estimators.sndr(reward, weight, q, value), model, weight / mean_weight if mean_weight > 0 else weight
        ),
    }  # fmt: skip
    thresholds = {}
    for name, lowered in LOWERED.items():
        threshold = choose_threshold(lowered, weight, reward - q, largest=float(np.ptp(model.means)))
        kept = lowered(weight, threshold)
        thresholds[name] = threshold
        terms[name] = _with_error(estimators.dr(reward, kept, q, value), model, kept)
    return terms, thresholds


def _with_error(terms: Terms, model: RewardModel, weight: Float[np.ndarray, "N"]) -> Terms:
    return replace(terms, model_error=model.error(weight))
