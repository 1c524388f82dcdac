"""The gate: the verdict on what a challenger showed, as its profile asks.

Order: identical artifact → validity → must beat → guardrails → primary. The verdict is a pure function of the
evidence and the profile; nothing measured with a clock enters it. "Not significant" is never a pass, and
neither is a figure that is missing, NaN or infinite.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from components.evaluation.alpha_spending import Attempt
from components.evaluation.comparison import BOOTSTRAP, Comparison
from components.evaluation.profile import (
    LEAST_USERS,
    GateProfile,
    LatencyRatio,
    NonInferiority,
    ProfileError,
    Threshold,
    production,
    sequential,
    small,
)
from components.evaluation.verdict import Check, Outcome, Result, Verdict

__all__ = [
    "Check",
    "GateInput",
    "GateProfile",
    "LatencyRatio",
    "NonInferiority",
    "Outcome",
    "ProfileError",
    "Result",
    "Threshold",
    "Verdict",
    "decide",
    "production",
    "sequential",
    "small",
]


@dataclass(frozen=True, kw_only=True)
class GateInput:
    """What a replay showed. A comparison that is not here was not made."""

    challenger: str
    champion: str | None
    users: int  # with a score in every arm
    one_arm_only: float  # share of users whom the challenger or a baseline gave no list at all
    temporal_cut: bool  # every arm was trained before the window
    comparisons: tuple[Comparison, ...]
    list_figures: Mapping[str, float]  # of the challenger: coverage@10, gini@10, …
    digests: Mapping[str, str]  # artifact digest of an arm, where it has one
    in_id_order: float = 0.5  # of the challenger's neighbouring places, those that ascend by item id
    leaks: tuple[str, ...] = ()  # which arm has seen the answers, and the fix
    attempt: Attempt | None = None  # the comparisons' alpha, where challengers of one window share it


def decide(shown: GateInput, profile: GateProfile) -> Verdict:
    """PROMOTE, REJECT, HOLD or INVALID, with reasons in words.

    Without a champion the `must_beat` arms stand in its place and guardrails relative to a champion do not
    apply.
    """
    digest = shown.digests.get(shown.challenger)
    if digest is not None and shown.champion and digest == shown.digests.get(shown.champion):
        same = f"{shown.challenger} is the champion's artifact ({digest[:12]}): there is nothing to replace"
        check = Check(name="identical artifact", result=Result.UNPROVEN, reason=same)
        return Verdict(outcome=Outcome.HOLD, reasons=(same,), checks=(check,), gate_hash=profile.hash)

    validity = tuple(_validity(shown, profile))
    if broken := [c.reason for c in validity if c.result is not Result.PASSED]:
        return Verdict(
            outcome=Outcome.INVALID, reasons=tuple(broken), checks=validity, gate_hash=profile.hash
        )

    rivals = [*profile.must_beat, *([shown.champion] if shown.champion else [])]
    beaten = [_beats(shown, rival, profile) for rival in rivals]
    guardrails = list(_guardrails(shown, profile))
    # reasons are told in this order: what must be beaten, what must not break, then the champion
    ordered = (*beaten[: len(profile.must_beat)], *guardrails, *beaten[len(profile.must_beat) :])
    failed = [c.reason for c in ordered if c.result is Result.FAILED]
    unproven = [c.reason for c in ordered if c.result is Result.UNPROVEN]
    if failed:
        outcome, reasons = Outcome.REJECT, failed
    elif unproven:
        outcome, reasons = Outcome.HOLD, unproven
    else:
        outcome, reasons = Outcome.PROMOTE, [c.reason for c in ordered]
    told = [_has_alpha_left(shown.attempt, profile).reason] if shown.attempt else []
    return Verdict(
        outcome=outcome, reasons=(*reasons, *told), checks=(*validity, *ordered), gate_hash=profile.hash
    )


def _validity(shown: GateInput, profile: GateProfile) -> Iterable[Check]:
    asked = max(profile.validity.min_users, LEAST_USERS)
    yield _passes(
        "users", shown.users >= asked,
        f"{shown.users} users are scored and profile {profile.name} asks for {asked}",
    )  # fmt: skip
    share, most = shown.one_arm_only, profile.validity.max_one_arm_only
    yield _passes(
        "one arm only", math.isfinite(share) and share <= most,
        f"{share:.1%} of users got no list from some arm; at most {most:.1%} may",
    )  # fmt: skip
    yield _passes(
        "scores that differ", shown.in_id_order <= profile.validity.max_in_id_order,
        f"{shown.in_id_order:.0%} of the challenger's neighbouring places are in the order of item ids; half are "
        f"by chance, all are where all scores tie, and at most {profile.validity.max_in_id_order:.0%} may be",
    )  # fmt: skip
    yield _passes(
        "temporal cut", shown.temporal_cut,
        "every arm was trained before the window" if shown.temporal_cut
        else "; ".join(shown.leaks) or "an arm was trained past the cut: it has seen the answers",
    )  # fmt: skip
    if shown.attempt:
        yield _has_alpha_left(shown.attempt, profile)
    # a comparison without users is NaN by right: the rules that read it call it not measured
    broken = [f"{c.metric} against {c.baseline}" for c in shown.comparisons if c.n and not c.is_finite]
    yield _passes(
        "finite figures", not broken,
        f"figures are not finite: {', '.join(broken)}" if broken else "every figure is finite",
    )  # fmt: skip


def _has_alpha_left(attempt: Attempt, profile: GateProfile) -> Check:
    whole = profile.primary.alpha_one_sided
    among = f"{whole:g} among {profile.challengers_a_window} challengers"
    if attempt.together > 1:
        who = f"attempt {attempt.number} on this window, of {attempt.together} challengers together,"
        used = f"{who} has its share of {among}; this one is judged at alpha {attempt.alpha_one_sided:.3g} by Holm"
    else:
        who = f"challenger {attempt.number} on this window"
        used = f"{who} is judged at alpha {attempt.alpha_one_sided:.3g}, its share of {among}"
    spent = (
        f"{who} comes too late: alpha {whole:g} was divided among "
        f"{profile.challengers_a_window}. Take a later window."
    )
    is_left = attempt.alpha_one_sided > 0
    return _passes("alpha left", is_left, used if is_left else spent)


def _passes(name: str, is_passed: bool, reason: str) -> Check:
    return Check(name=name, result=Result.PASSED if is_passed else Result.FAILED, reason=reason)


def _beats(shown: GateInput, rival: str, profile: GateProfile) -> Check:
    """Whether the challenger is better than the rival on the primary metric.

    Against a baseline that must be beaten, no difference although one was detectable is a failure; against
    the champion it is a draw.
    """
    primary = profile.primary
    name = f"{primary.metric} against {rival}"
    found = _find(shown.comparisons, rival, primary.metric, "all")
    if found is None or not found.is_finite:
        return Check(name=name, result=Result.UNPROVEN, reason=f"{name} was not measured")
    figures = _figures(found)
    if found.lower > 0:
        return Check(
            name=name, result=Result.PASSED, reason=f"better than {rival} on {primary.metric}: {figures}"
        )
    if found.upper < 0:
        return Check(
            name=name, result=Result.FAILED, reason=f"worse than {rival} on {primary.metric}: {figures}"
        )
    if found.mde <= primary.effect_of_interest:
        return Check(
            name=name,
            result=Result.FAILED if rival in profile.must_beat else Result.UNPROVEN,
            reason=f"no difference from {rival} on {primary.metric}: {figures}; one of "
            f"{primary.effect_of_interest:g} was detectable (minimum {found.mde:.4f})",
        )
    # the detectable effect shrinks with the root of the users
    needed = found.n * (found.mde / primary.effect_of_interest) ** 2
    return Check(
        name=name,
        result=Result.UNPROVEN,
        reason=f"no difference from {rival} on {primary.metric} was shown: {figures}; the least detectable "
        f"one is {found.mde:.4f}, and {primary.effect_of_interest:g} would need {math.ceil(needed):,} users",
    )


def _guardrails(shown: GateInput, profile: GateProfile) -> Iterable[Check]:
    for guard in profile.required:
        if isinstance(guard, Threshold):
            yield _above(shown.list_figures.get(guard.metric, math.nan), guard)
        elif shown.champion:
            yield _not_inferior(shown, shown.champion, guard, least_users=profile.validity.min_users)
    for guard in profile.if_evaluable:
        if shown.champion:
            least = profile.validity.min_slice_users
            yield _not_inferior(shown, shown.champion, guard, least_users=least)


def _above(value: float, guard: Threshold) -> Check:
    name = f"{guard.metric} at least {guard.min_value:g}"
    if not math.isfinite(value):
        return Check(name=name, result=Result.UNPROVEN, reason=f"{guard.metric} was not measured")
    word, result = ("keeps", Result.PASSED) if value >= guard.min_value else ("falls below", Result.FAILED)
    return Check(name=name, result=result, reason=f"{guard.metric} {value:.3f} {word} {guard.min_value:g}")


def _not_inferior(shown: GateInput, champion: str, guard: NonInferiority, *, least_users: int) -> Check:
    where = "" if guard.slice == "all" else f" of {guard.slice}"
    name = f"{guard.metric}{where} within {guard.margin:g} of {champion}"
    found = _find(shown.comparisons, champion, guard.metric, guard.slice)
    if guard.slice != "all" and (found is None or found.n < least_users):
        have = 0 if found is None else found.n
        return Check(
            name=name,
            result=Result.NOT_EVALUABLE,
            reason=f"{guard.metric}{where} is not evaluable: {have} users, {least_users} are asked for",
        )
    if found is None or not found.is_finite:
        return Check(name=name, result=Result.UNPROVEN, reason=f"{guard.metric}{where} was not measured")
    figures = _figures(found)
    if found.lower > -guard.margin and found.baseline_mean <= guard.margin:
        # it holds, and says nothing: there was too little to lose
        return Check(
            name=name, result=Result.NOT_EVALUABLE,
            reason=f"{guard.metric}{where} is not evaluable: {champion} reaches {found.baseline_mean:.4f}, so no "
            f"challenger can fall by more than {guard.margin:g}",
        )  # fmt: skip
    if found.lower > -guard.margin:
        return Check(
            name=name, result=Result.PASSED,
            reason=f"{guard.metric}{where} does not fall by {guard.margin:g}: {figures}",
        )  # fmt: skip
    if found.upper < -guard.margin:
        return Check(
            name=name, result=Result.FAILED,
            reason=f"{guard.metric}{where} falls by more than {guard.margin:g}: {figures}",
        )  # fmt: skip
    return Check(
        name=name, result=Result.UNPROVEN,
        reason=f"{guard.metric}{where} may fall by more than {guard.margin:g}: {figures}",
    )  # fmt: skip


def _figures(found: Comparison) -> str:
    looks = "" if found.test == BOOTSTRAP else f", at every look ({found.test.replace('_', ' ')})"
    # z: nothing reads as minus nothing
    return f"{found.delta:+z.4f} [{found.lower:+z.4f}, {found.upper:+z.4f}], {found.n} users{looks}"


def _find(comparisons: Iterable[Comparison], baseline: str, metric: str, slice_: str) -> Comparison | None:
    for comparison in comparisons:
        if (comparison.baseline, comparison.metric, comparison.slice) == (baseline, metric, slice_):
            return comparison
    return None
