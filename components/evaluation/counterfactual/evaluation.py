"""A log and a target policy in, every estimate with its interval, the diagnostics and the verdict out."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from components.artifact import digest_of
from components.evaluation.counterfactual.estimate import Estimate, estimate, undefined
from components.evaluation.counterfactual.estimators import Terms
from components.evaluation.counterfactual.logged import LoggedFeedback
from components.evaluation.counterfactual.profile import LoggedProfile
from components.evaluation.counterfactual.resampling import bounds, resample
from components.evaluation.counterfactual.slate_evaluation import evaluate_slates
from components.evaluation.counterfactual.suite import ORDER, estimator_suite
from components.evaluation.counterfactual.support import Support, describe_support
from components.evaluation.counterfactual.verdict import decide
from components.evaluation.gate import Verdict
from components.evaluation.typed_json import to_json

_LOG = "log"  # the logging policy's own mean, among the estimators


@dataclass(frozen=True, kw_only=True)
class LoggedResult:
    """All that a log told of a policy; the same bytes from the same inputs."""

    logging_policy: str
    target_policy: str
    estimates: tuple[Estimate, ...]  # of the reward a round
    slates: tuple[Estimate, ...] | None  # of a slate's summed reward; None for a log without slates
    logged_mean: float  # reward a round of the policy that logged
    logged_lower: float
    logged_upper: float
    support: Support
    verdict: Verdict
    profile: LoggedProfile
    data_digest: str

    @property
    def digest(self) -> str:
        return digest_of(to_json(self))

    def to_dict(self) -> dict[str, Any]:
        """JSON values; what is undefined is null."""
        return {**to_json(self), "digest": self.digest}

    @property
    def deciding(self) -> Estimate:
        """That of the estimator which the profile lets decide."""
        return next(e for e in self.estimates if e.name == self.profile.estimator)

    def table(self) -> pd.DataFrame:
        """One row an estimator; `of` says whether its value is a round's or a slate's."""
        rows = [{"of": "round", **asdict(found)} for found in self.estimates]
        rows += [{"of": "slate", **asdict(found)} for found in self.slates or ()]
        return pd.DataFrame(rows)


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
    suite = estimator_suite(feedback, profile, is_uniform=support.is_uniform)
    logged = Terms(plain=feedback.reward)
    drawn = resample(
        {_LOG: logged, **suite.terms}, feedback.cluster, resamples=profile.resamples, seed=profile.seed
    )
    estimates = {
        name: estimate(
            name, suite.terms[name], drawn[name], logged, drawn[_LOG],
            alpha_one_sided=profile.alpha_one_sided,
            threshold=suite.thresholds.get(name),
            note=suite.notes.get(name, ""),
        )
        if name in suite.terms
        else undefined(name, suite.notes[name])
        for name in ORDER
    }  # fmt: skip
    logged_lower, logged_upper = bounds(drawn[_LOG], alpha_one_sided=profile.alpha_one_sided)
    slates = evaluate_slates(feedback, profile)
    return LoggedResult(
        logging_policy=logging_policy,
        target_policy=target_policy,
        estimates=tuple(estimates.values()),
        slates=tuple(slates.values()) if slates else None,
        logged_mean=logged.value,
        logged_lower=logged_lower,
        logged_upper=logged_upper,
        support=support,
        verdict=decide(support, estimates, logged.value, profile, slates=slates),
        profile=profile,
        data_digest=_digest(feedback),
    )


def _digest(feedback: LoggedFeedback) -> str:
    digest = hashlib.sha256()
    columns = [feedback.action, feedback.position, feedback.cluster, feedback.reward, feedback.propensity]
    columns += [feedback.target, *([] if feedback.slate is None else [feedback.slate])]
    if feedback.policy is not None:
        columns += [feedback.policy.probabilities, feedback.policy.row]
    for column in columns:
        digest.update(np.ascontiguousarray(column).tobytes())
    digest.update("\0".join(map(str, feedback.actions)).encode())
    return digest.hexdigest()
