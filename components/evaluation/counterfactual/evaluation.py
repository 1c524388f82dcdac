"""A log and a target policy in, every estimate with its interval, the diagnostics and the verdict out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from components.artifact import digest_of
from components.evaluation.counterfactual import estimators
from components.evaluation.counterfactual.estimators import Terms
from components.evaluation.counterfactual.logged import LoggedFeedback
from components.evaluation.counterfactual.profile import LoggedProfile
from components.evaluation.counterfactual.resampling import bounds, resample
from components.evaluation.counterfactual.reward_model import (
    RewardModel,
    fit_reward_model,
    smoothed_means,
)
from components.evaluation.counterfactual.support import Support, describe_support
from components.evaluation.counterfactual.threshold import choose_threshold
from components.evaluation.counterfactual.verdict import Estimate, decide
from components.evaluation.gate import Verdict
from components.evaluation.statistics import TIE

LOWERED = {
    "clipped_dr": estimators.clipped,
    "switch_dr": estimators.switched,
    "dros": estimators.shrunk,
}
ORDER = ("replay", "ips", "snips", "clipped_ips", "dm", "dr", "sndr", "clipped_dr", "switch_dr", "dros")


@dataclass(frozen=True, kw_only=True)
class LoggedResult:
    """All that a log told of a policy; the same bytes from the same inputs."""

    logging_policy: str
    target_policy: str
    estimates: tuple[Estimate, ...]
    logged_mean: float  # reward a round of the policy that logged
    logged_lower: float
    logged_upper: float
    support: Support
    verdict: Verdict
    profile: LoggedProfile
    data_digest: str

    @property
    def digest(self) -> str:
        return digest_of(self._json())

    def to_dict(self) -> dict[str, Any]:
        """JSON values; what is undefined is null."""
        return {**self._json(), "digest": self.digest}

    def table(self) -> pd.DataFrame:
        """One row an estimator."""
        return pd.DataFrame([asdict(estimate) for estimate in self.estimates])

    def _json(self) -> dict[str, Any]:
        told: dict[str, Any] = _without_nan(asdict(self))
        return told


def evaluate_logged(
    feedback: LoggedFeedback,
    profile: LoggedProfile,
    *,
    logging_policy: str = "logging policy",
    target_policy: str = "target policy",
) -> LoggedResult:
    """Every estimator on one log, with percentile intervals over clusters, and the profile's verdict.

    Estimators that need pi_e over all actions are undefined, with a note, where the log brings none.
    """
    support = describe_support(feedback, low_propensity_of_uniform=profile.low_propensity_of_uniform)
    terms, thresholds, notes = _all_terms(feedback, profile, is_uniform=support.is_uniform)
    drawn = resample(
        {"logged": Terms(plain=feedback.reward), **terms},
        feedback.cluster,
        resamples=profile.resamples,
        seed=profile.seed,
    )
    logged_mean = float(feedback.reward.mean())
    logged_lower, logged_upper = bounds(drawn["logged"], alpha_one_sided=profile.alpha_one_sided)
    estimates = {
        name: _estimate(
            name, terms.get(name), drawn.get(name), drawn["logged"], logged_mean, thresholds, notes, profile
        )
        for name in ORDER
    }
    return LoggedResult(
        logging_policy=logging_policy,
        target_policy=target_policy,
        estimates=tuple(estimates.values()),
        logged_mean=logged_mean,
        logged_lower=logged_lower,
        logged_upper=logged_upper,
        support=support,
        verdict=decide(support, estimates, logged_mean, profile),
        profile=profile,
        data_digest=_digest(feedback),
    )


def _all_terms(
    feedback: LoggedFeedback, profile: LoggedProfile, *, is_uniform: bool
) -> tuple[dict[str, Terms], dict[str, float], dict[str, str]]:
    """Terms of every estimator that is defined on this log, thresholds chosen, and why others are not."""
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
        return {**terms, **with_model}, {**thresholds, **chosen}, notes
    return terms, thresholds, {**notes, **dict.fromkeys(("dm", "dr", "sndr", *LOWERED), why)}


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
    return Terms(
        plain=terms.plain,
        numerator=terms.numerator,
        denominator=terms.denominator,
        model_error=model.error(weight),
    )


def _estimate(
    name: str,
    terms: Terms | None,
    drawn: Float[np.ndarray, "B"] | None,
    logged: Float[np.ndarray, "B"],
    logged_mean: float,
    thresholds: Mapping[str, float],
    notes: Mapping[str, str],
    profile: LoggedProfile,
) -> Estimate:
    note = notes.get(name, "")
    if terms is None or drawn is None:
        undefined = math.nan
        return Estimate(
            name=name, value=undefined, lower=undefined, upper=undefined, delta=undefined,
            delta_lower=undefined, delta_upper=undefined, delta_se=undefined, threshold=None, note=note,
        )  # fmt: skip
    lower, upper = bounds(drawn, alpha_one_sided=profile.alpha_one_sided)
    if np.ptp(drawn) <= TIE < np.ptp(logged):  # a resample cannot show what its rounds never held
        lower = upper = math.nan
        note = "; ".join(filter(None, [note, "every round it weighs brought the same reward"]))
    delta_lower, delta_upper = bounds(drawn - logged, alpha_one_sided=profile.alpha_one_sided)
    if math.isnan(lower):
        delta_lower = delta_upper = math.nan
    return Estimate(
        name=name,
        value=terms.value,
        lower=lower,
        upper=upper,
        delta=terms.value - logged_mean,
        delta_lower=delta_lower,
        delta_upper=delta_upper,
        delta_se=float((drawn - logged).std(ddof=1)),
        threshold=thresholds.get(name),
        note=note,
    )


def _digest(feedback: LoggedFeedback) -> str:
    digest = hashlib.sha256()
    columns = [feedback.action, feedback.position, feedback.cluster, feedback.reward, feedback.propensity]
    columns.append(feedback.target)
    if feedback.policy is not None:
        columns += [feedback.policy.probabilities, feedback.policy.row]
    for column in columns:
        digest.update(np.ascontiguousarray(column).tobytes())
    digest.update("\0".join(map(str, feedback.actions)).encode())
    return digest.hexdigest()


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
