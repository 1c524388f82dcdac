"""The verdict on a policy's value against the mean reward of the policy that logged.

Order: the log's diagnostics → the deciding estimator → agreement of the others. A diagnostic that fails makes
the log not evaluable: INVALID, whatever the estimates say. "Not significant" is never a pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import NormalDist
from typing import get_args

from components.evaluation.counterfactual.estimate import Estimate
from components.evaluation.counterfactual.profile import Deciding, LoggedProfile
from components.evaluation.counterfactual.support import Support
from components.evaluation.gate import Check, Outcome, Result, Verdict


def decide(
    support: Support,
    estimates: Mapping[str, Estimate],
    logged_mean: float,
    profile: LoggedProfile,
    *,
    slates: Mapping[str, Estimate] | None = None,
) -> Verdict:
    """PROMOTE, REJECT, HOLD or INVALID for the target policy, with reasons in words.

    `slates` are the estimates of whole slates, where the log has any.
    """
    diagnostics = tuple(diagnose(support, profile))
    if broken := [c.reason for c in diagnostics if c.result is not Result.PASSED]:
        reasons = ("not evaluable from this log: nothing is concluded", *broken)
        return Verdict(outcome=Outcome.INVALID, reasons=reasons, checks=diagnostics, gate_hash=profile.hash)
    shown = (
        _better(estimates[profile.estimator], logged_mean, support, profile),
        enough_rewards(support, profile),
        _agreement(estimates, slates),
    )
    if failed := [c.reason for c in shown if c.result is Result.FAILED]:
        outcome, found = Outcome.REJECT, failed
    elif unproven := [c.reason for c in shown if c.result is Result.UNPROVEN]:
        outcome, found = Outcome.HOLD, unproven
    else:
        outcome, found = Outcome.PROMOTE, [c.reason for c in shown]
    return Verdict(
        outcome=outcome, reasons=tuple(found), checks=(*diagnostics, *shown), gate_hash=profile.hash
    )


def diagnose(support: Support, profile: LoggedProfile) -> Iterable[Check]:
    """Every diagnostic of the specification; any that is not passed means: not evaluable."""
    yield _check(
        "exploration", not support.is_deterministic,
        f"the log drew its actions; the least propensity is {support.min_propensity:.3g}",
        "every propensity is 1: the log never drew, so it says nothing of another choice",
    )  # fmt: skip
    yield _check(
        "clusters", support.clusters >= profile.min_clusters,
        f"{support.clusters:,} users, slates or single rounds are resampled; {profile.min_clusters:,} are asked for",
    )  # fmt: skip
    if not support.mean_weight > 0:
        never = "the target policy would take none of the logged actions: the log says nothing of it"
        yield Check(name="overlap", result=Result.FAILED, reason=never)
        return
    low, high = profile.mean_weight
    inside = low <= support.mean_weight <= high
    yield _check(
        "mean weight", inside,
        f"mean weight {support.mean_weight:.4g} lies in [{low:g}, {high:g}]",
        f"mean weight {support.mean_weight:.4g} lies outside [{low:g}, {high:g}]: the propensities are not "
        "those of the log, or a few rounds carry the weight",
    )  # fmt: skip
    errors = abs(support.mean_weight - 1) / support.mean_weight_se if support.mean_weight_se > 0 else (
        0.0 if support.mean_weight == 1 else math.inf
    )  # fmt: skip
    yield _check(
        "mean weight by chance", errors <= profile.mean_weight_errors,
        f"mean weight is {errors:.1f} standard errors from 1; {profile.mean_weight_errors:g} are allowed",
        f"mean weight {support.mean_weight:.4g} is {errors:.1f} standard errors from 1, and "
        f"{profile.mean_weight_errors:g} are allowed: the propensities do not fit the log",
    )  # fmt: skip
    least = max(profile.min_ess, profile.min_ess_share * support.rounds)
    yield _check(
        "effective sample", support.ess >= least,
        f"{support.rounds:,} rounds are worth {support.ess:,.0f}; {least:,.0f} are asked for",
        f"{support.rounds:,} rounds are worth only {support.ess:,.0f} under the target policy; "
        f"{least:,.0f} are asked for",
    )  # fmt: skip
    share = support.max_weight_share
    yield _check(
        "heaviest round", share < profile.max_weight_share,
        f"the heaviest round has weight {support.max_weight:,.4g}, {share:.2%} of all",
        f"one round has weight {support.max_weight:,.4g}, {share:.1%} of all; less than "
        f"{profile.max_weight_share:.0%} is asked for",
    )  # fmt: skip
    yield from _coverage(support, profile)


def _coverage(support: Support, profile: LoggedProfile) -> Iterable[Check]:
    most = profile.max_unsupported_share
    share = support.low_propensity_share
    yield _check(
        "hardly ever shown", share <= most,
        f"{share:.1%} of the target policy's mass lies where the propensity is below "
        f"{support.low_propensity:.2g}; {most:.0%} may",
    )  # fmt: skip
    if support.never_shown_share is not None:
        yield _check(
            "never shown", support.never_shown_share <= most,
            f"{support.never_shown_share:.1%} of the target policy's mass lies on actions that the log never "
            f"shows; {most:.0%} may",
        )  # fmt: skip


def _check(name: str, is_passed: bool, passed: str, failed: str | None = None) -> Check:
    return Check(
        name=name,
        result=Result.PASSED if is_passed else Result.FAILED,
        reason=passed if is_passed or failed is None else failed,
    )


def _better(found: Estimate, logged_mean: float, support: Support, profile: LoggedProfile) -> Check:
    name = f"{found.name} against the log"
    if not all(math.isfinite(v) for v in (found.delta, found.delta_lower, found.delta_upper)):
        why = found.note or "some resample holds no weight"
        return Check(name=name, result=Result.UNPROVEN, reason=f"{found.name} is undefined: {why}")
    figures = (
        f"{found.delta:+.3g} [{found.delta_lower:+.3g}, {found.delta_upper:+.3g}] a round by {found.name}, "
        f"on the log's {logged_mean:.3g}"
    )
    if found.delta_lower > 0:
        return Check(name=name, result=Result.PASSED, reason=f"better than the policy that logged: {figures}")
    if found.delta_upper < 0:
        return Check(name=name, result=Result.FAILED, reason=f"worse than the policy that logged: {figures}")
    told = what_was_detectable(found.delta_se, logged_mean, support.rounds, profile)
    return Check(
        name=name,
        result=Result.UNPROVEN,
        reason=f"no difference from the policy that logged was shown: {figures}; {told}",
    )


def what_was_detectable(delta_se: float, mean: float, rounds: int, profile: LoggedProfile) -> str:
    """Whether so many rounds could have shown the effect of interest on this mean reward, in words."""
    normal = NormalDist()
    detectable = delta_se * (normal.inv_cdf(1 - profile.alpha_one_sided) + normal.inv_cdf(profile.power))
    interest = profile.relative_effect_of_interest * abs(mean)
    if detectable <= interest:
        return f"one of {interest:.2g} was detectable (minimum {detectable:.2g})"
    # the standard error falls with the root of the rounds
    needed = math.ceil(rounds * (detectable / interest) ** 2) if interest > 0 else None
    wish = f"{interest:.2g} would need {needed:,} rounds" if needed else "the log's mean is 0"
    return f"the least detectable one is {detectable:.2g}; {wish}"


def enough_rewards(support: Support, profile: LoggedProfile) -> Check:
    enough = min(support.rewarded, support.rewarded_worth) >= profile.min_rewarded
    few = "" if enough else ": too few for an interval to hold what it promises"
    return Check(
        name="rewards",
        result=Result.PASSED if enough else Result.UNPROVEN,
        reason=f"{support.rewarded:,} rounds were rewarded, worth {support.rewarded_worth:,.0f} under the target "
        f"policy, and {profile.min_rewarded:,} are asked for{few}",
    )


def _agreement(estimates: Mapping[str, Estimate], slates: Mapping[str, Estimate] | None) -> Check:
    """Estimators that right propensities make right must point the same way.

    Of whole slates that is the one by cascade: that of the places alone is the rounds' own, and that of the
    whole slate swings too far to be asked.
    """
    asked = [estimates[name] for name in get_args(Deciding)]
    asked += [slates["rips"]] if slates else []
    deltas = {e.name: e.delta for e in asked if math.isfinite(e.delta)}
    told = ", ".join(f"{name} {delta:+.3g}" for name, delta in deltas.items())
    agree = all(delta > 0 for delta in deltas.values())
    return Check(
        name="agreement",
        result=Result.PASSED if agree else Result.UNPROVEN,
        reason=f"every consistent estimator is above the log: {told}" if agree
        else f"consistent estimators do not all lie above the log: {told}",
    )  # fmt: skip
