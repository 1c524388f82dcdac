"""The verdict on a bandit over versions, from its value and theirs.

Order: the log's diagnostics, for every policy → enough rewards of every policy → the lead over each version →
agreement of estimators. "Not significant" is never a pass, and of too few rewards nothing is told, good or bad.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from components.evaluation.counterfactual.estimate import Estimate
from components.evaluation.counterfactual.profile import LoggedProfile
from components.evaluation.counterfactual.support import Support
from components.evaluation.counterfactual.verdict import diagnose, enough_rewards, what_was_detectable
from components.evaluation.verdict import Check, Outcome, Result, Verdict

BANDIT = "bandit"


@dataclass(frozen=True, kw_only=True)
class PolicyValue:
    """One policy on the judged rounds."""

    name: str  # BANDIT, or a version
    share: tuple[float, ...]  # of the rounds that each arm would answer
    estimates: tuple[Estimate, ...]  # of its reward a round; their deltas are against the policy that logged
    support: Support


@dataclass(frozen=True, kw_only=True)
class Lead:
    """The bandit minus a version that answers everybody, in the same resamples: the deltas of the estimates."""

    version: str
    estimates: tuple[Estimate, ...]


def deciding(estimates: Iterable[Estimate], profile: LoggedProfile) -> Estimate:
    """That of the estimator which the profile lets decide."""
    return next(e for e in estimates if e.name == profile.estimator)


def decide(
    policies: tuple[PolicyValue, ...], leads: tuple[Lead, ...], best: str, profile: LoggedProfile
) -> Verdict:
    """PROMOTE, REJECT, HOLD or INVALID, with reasons in words; `best` is the best single version.

    The bandit has to lead each single version, whichever is best: no version is chosen by its luck, and no correction
    is due (intersection-union). That it is behind one of several is another matter: any of them may be lucky, so that
    is told at the error rate over their number. Where a policy has too few rewards it is HOLD, whatever the leads.
    """
    diagnostics = [_named(p, c) for p in policies for c in diagnose(p.support, profile)]
    if broken := [c.reason for c in diagnostics if c.result is not Result.PASSED]:
        reasons = ("not evaluable from this log: nothing is concluded", *broken)
        return Verdict(
            outcome=Outcome.INVALID, reasons=reasons, checks=tuple(diagnostics), gate_hash=profile.hash
        )
    values = {p.name: deciding(p.estimates, profile).value for p in policies}
    # the best single version is told first: it is the one that a reader would have in its place
    ordered = sorted(leads, key=lambda lead: lead.version != best)
    led = [
        _leads(
            lead, values[lead.version], best,
            rounds=policies[0].support.rounds, num_versions=len(leads), profile=profile,
        )
        for lead in ordered
    ]  # fmt: skip
    rewards = [_named(p, enough_rewards(p.support, profile)) for p in policies]
    shown = [*led, *rewards, _agreement(leads)]
    failed = tuple(c.reason for c in led if c.result is Result.FAILED)
    unproven = tuple(c.reason for c in shown if c.result is Result.UNPROVEN)
    if few := tuple(c.reason for c in rewards if c.result is not Result.PASSED):
        # an interval from so few is too short on either side
        outcome, reasons = Outcome.HOLD, few + tuple(r for r in unproven if r not in few)
    elif failed:
        outcome, reasons = Outcome.REJECT, failed
    elif unproven:
        outcome, reasons = Outcome.HOLD, unproven
    else:
        outcome, reasons = Outcome.PROMOTE, tuple(c.reason for c in shown)
    checks = (*diagnostics, *shown)
    return Verdict(outcome=outcome, reasons=reasons, checks=checks, gate_hash=profile.hash)


def _named(policy: PolicyValue, check: Check) -> Check:
    called = _called(policy.name)
    return Check(name=f"{called}: {check.name}", result=check.result, reason=f"{called}: {check.reason}")


def _called(name: str) -> str:
    return name if name == BANDIT else f"version {name}"


def _luck(num_versions: int, profile: LoggedProfile) -> float:
    """Standard errors that the luckiest of so many versions is ahead by chance, at the profile's alpha (Bonferroni)."""
    return NormalDist().inv_cdf(1 - profile.alpha_one_sided / num_versions)


def _leads(
    lead: Lead, value: float, best: str, *, rounds: int, num_versions: int, profile: LoggedProfile
) -> Check:
    found = deciding(lead.estimates, profile)
    who = f"version {lead.version}" + (", the best single one" if lead.version == best else "")
    name = f"lead over version {lead.version}"
    if not all(math.isfinite(v) for v in (found.delta, found.delta_lower, found.delta_upper)):
        why = found.note or "some resample holds no weight"
        return Check(
            name=name,
            result=Result.UNPROVEN,
            reason=f"the lead over {who} is undefined by {found.name}: {why}",
        )
    figures = (
        f"{found.delta:+.3g} [{found.delta_lower:+.3g}, {found.delta_upper:+.3g}] a list by {found.name}, "
        f"on {value:.3g}"
    )
    if found.delta_lower > 0:
        return Check(name=name, result=Result.PASSED, reason=f"the bandit is better than {who}: {figures}")
    if found.delta_upper < 0 and found.delta < -_luck(num_versions, profile) * found.delta_se:
        worse = f"the bandit is worse than {who}: {figures}; let that one answer everybody"
        return Check(name=name, result=Result.FAILED, reason=worse)
    told = what_was_detectable(found.delta_se, value, rounds, profile)
    if found.delta_upper < 0:
        told = f"one of {num_versions} versions is so far ahead by luck more often than one alone; {told}"
    return Check(
        name=name, result=Result.UNPROVEN, reason=f"the bandit is not told from {who}: {figures}; {told}"
    )


def _agreement(leads: tuple[Lead, ...]) -> Check:
    """Every estimator, over every version, has to point the same way."""
    deltas = {
        f"{e.name} over {lead.version} {e.delta:+.3g}": e.delta
        for lead in leads for e in lead.estimates if math.isfinite(e.delta)
    }  # fmt: skip
    agree = all(delta > 0 for delta in deltas.values())
    first = (
        "every consistent estimator has the bandit ahead" if agree else "estimators do not all have it ahead"
    )
    return Check(
        name="agreement",
        result=Result.PASSED if agree else Result.UNPROVEN,
        reason=f"{first}: {', '.join(deltas)}",
    )
