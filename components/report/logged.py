"""The report of a policy judged from another's log: verdict, estimates side by side, weights, diagnostics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from jaxtyping import Float

from components.evaluation.counterfactual.estimate import Estimate
from components.evaluation.counterfactual.evaluation import LoggedResult
from components.report.figure import figure
from components.report.forest import ForestRow, forest
from components.report.head import head
from components.report.page import Section, page
from components.report.provenance import facts_list
from components.report.table import Cell, Column, figure_of, table, word
from components.report.templates import Markup, note
from components.report.text import NOT_KNOWN, clean, level, number, share, span
from components.report.verdict import MEANING
from components.report.weights import weight_figures

CLAIM = (
    "Counterfactual replay: what a policy would have earned, from what another one logged. It holds if the "
    "propensities are those with which the log was drawn."
)
NAMES = {
    "replay": "Replay", "ips": "IPS", "snips": "SNIPS", "clipped_ips": "Clipped IPS", "dm": "DM", "dr": "DR",
    "sndr": "SNDR", "clipped_dr": "Clipped DR", "switch_dr": "Switch-DR", "dros": "DRos",
    "sips": "SIPS", "snsips": "SNSIPS", "iips": "IIPS", "rips": "RIPS", "pseudo_inverse": "Pseudo-inverse",
}  # fmt: skip
MEANINGS = {
    "replay": "rounds where both policies pick the same",
    "ips": "every reward by its weight",
    "snips": "the same over the mean weight",
    "clipped_ips": "weights cut off at a threshold",
    "dm": "predicted rewards alone",
    "dr": "predictions, corrected by weighted errors",
    "sndr": "the same, corrections over the mean weight",
    "clipped_dr": "DR with weights cut off",
    "switch_dr": "DR, uncorrected beyond a threshold",
    "dros": "DR with weights shrunk",
    "sips": "the slate's reward by the weight of the whole slate",
    "snsips": "the same over the mean weight",
    "iips": "each place by its own weight: places do not touch one another",
    "rips": "each place by the weight down to it: users read from the top",
    "pseudo_inverse": "the slate's reward by a sum of weights: rewards add up",
}


def render_logged_report(result: LoggedResult, weight: Float[np.ndarray, "N"], source: str) -> str:
    """The page; `weight` are the rounds' weights, `source` the log's name. The same inputs give the same bytes."""
    sections = [
        Section(anchor="checks", title="What was checked", body=_checks(result)),
        Section(anchor="estimates", title="Every estimator, side by side", body=_estimates(result)),
        Section(
            anchor="weights", title="Where the weight lies", body=weight_figures(weight, result.support.ess)
        ),
        Section(anchor="provenance", title="Where this comes from", body=_provenance(result, source)),
    ]
    return page(
        title=f"{result.verdict.outcome}: {result.target_policy} from the log of {result.logging_policy}",
        claim=CLAIM,
        header=_header(result, source),
        sections=sections,
    )


def _header(result: LoggedResult, source: str) -> Markup:
    outcome = result.verdict.outcome
    return head(
        tone=str(outcome),
        outcome=str(outcome),
        meaning=MEANING[outcome],
        title=f"{result.target_policy}, from the log of {result.logging_policy}",
        meta=f"{source}, {result.support.rounds:,} rounds, gate profile {result.profile.name}",
        reasons=result.verdict.reasons,
        figures=_key_figures(result),
    )


def _key_figures(result: LoggedResult) -> list[tuple[str, str, str]]:
    support, at = result.support, level(result.profile.alpha_one_sided)
    deciding = result.deciding
    return [
        (
            f"{NAMES[deciding.name]}, minus the log",
            number(deciding.delta, "+.3g"),
            f"{at} interval {span(deciding.delta_lower, deciding.delta_upper, '+.3g')} a round; it decides",
        ),
        (
            "Reward of the log",
            number(result.logged_mean, ".4g"),
            f"mean a round, {at} interval {span(result.logged_lower, result.logged_upper, '.3g')}; "
            f"{support.rewarded:,} rounds were rewarded",
        ),
        (
            "Effective sample",
            f"{support.ess:,.0f}",
            f"of {support.rounds:,} rounds, as the target policy weighs them",
        ),
        (
            "Mean weight",
            number(support.mean_weight, ".3g"),
            f"1 is expected, within {number(support.mean_weight_se, '.2g')} by chance",
        ),
        (
            "Heaviest round",
            share(support.max_weight_share),
            f"of all weight; its weight is {number(support.max_weight, ',.4g')}",
        ),
    ]


def _checks(result: LoggedResult) -> Markup:
    rows = [
        [
            word(c.name),
            word(c.result, tone=c.result.replace(" ", "-")),
            Cell(content=clean(c.reason, 600)),
        ]
        for c in result.verdict.checks
    ]
    columns = [Column(name=name, is_number=False) for name in ("Check", "Result", "What was found")]
    return table("The checks in the order in which they decide.", columns, rows) + note(
        "A diagnostic that fails makes the log not evaluable: no estimate below may then be believed, however narrow "
        "its interval."
    )


def _estimates(result: LoggedResult) -> Markup:
    at = level(result.profile.alpha_one_sided)
    drawn = [e for e in result.estimates if all(map(math.isfinite, (e.delta, e.delta_lower, e.delta_upper)))]
    digits = _decimals(result)
    plot = note("No estimator has an interval on this log.")
    if drawn:
        rows = [_forest_row(e, result) for e in drawn]
        plot = figure(
            forest(
                rows, axis="reward a round, minus the log's mean", form=f"+.{digits}f",
                caption=f"Each estimator's difference from the log's mean reward, with its {at} interval over "
                f"resampled {_unit(result)}. Right of the line the target policy is better. Estimators that "
                "disagree warn of weights or of a reward model that do not hold.",
            )
        )  # fmt: skip
    body = plot + _table(
        f"Value of {result.target_policy} a round, by every estimator. A dash is undefined.",
        result.estimates,
        result,
    )
    if result.slates:
        body += _table(
            f"Value of {result.target_policy} a whole slate: its places' rewards summed.",
            result.slates,
            result,
        )
    return body


def _table(caption: str, estimates: Sequence[Estimate], result: LoggedResult) -> Markup:
    at, digits = level(result.profile.alpha_one_sided), _decimals(result)
    columns = [
        Column(name="Estimator", is_number=False),
        Column(name="Value", meaning="mean reward"),
        Column(name="Interval", meaning=f"{at}, bootstrap"),
        Column(name="Minus the log", meaning="its own mean, and the interval of that"),
        Column(name="Threshold", meaning="by the least bound on bias and variance"),
        Column(name="Note", is_number=False),
    ]
    rows = [
        [
            word(NAMES[e.name], MEANINGS[e.name]),
            figure_of(e.value, f".{digits}f"),
            word(_bounds(e.lower, e.upper, f".{digits}f")),
            figure_of(e.delta, f"+.{digits}f", note=_bounds(e.delta_lower, e.delta_upper, f"+.{digits}f")),
            figure_of(e.threshold, ",.4g"),
            word(e.note),
        ]
        for e in estimates
    ]
    return table(caption, columns, rows)


def _decimals(result: LoggedResult) -> int:
    """Digits behind the point that leave three figures of the largest bound."""
    ends = [abs(end) for e in result.estimates for end in (e.value, e.lower, e.upper) if math.isfinite(end)]
    top = max([*ends, abs(result.logged_mean)])
    # three figures of the largest: two digits behind its first
    return max(0, 2 - math.floor(math.log10(top))) if top > 0 else 2


def _bounds(lower: float, upper: float, form: str) -> str:
    return span(lower, upper, form) if math.isfinite(lower) and math.isfinite(upper) else NOT_KNOWN


def _forest_row(e: Estimate, result: LoggedResult) -> ForestRow:
    tone = "passed" if e.delta_lower > 0 else "failed" if e.delta_upper < 0 else "unproven"
    return ForestRow(
        name=NAMES[e.name],
        group="",
        count="decides" if e.name == result.profile.estimator else "",
        value=e.delta,
        lower=e.delta_lower,
        upper=e.delta_upper,
        tone=tone,
    )


def _unit(result: LoggedResult) -> str:
    support = result.support
    return "rounds" if support.clusters == support.rounds else f"users or slates ({support.clusters:,})"


def _provenance(result: LoggedResult, source: str) -> Markup:
    support, profile = result.support, result.profile
    never = support.never_shown_share
    return facts_list(
        [
            ("Log", source, f"of {result.logging_policy}"),
            ("Rounds", f"{support.rounds:,}", f"in {support.clusters:,} clusters, resampled whole"),
            ("Least propensity", number(support.min_propensity, ".3g"), "of a logged action"),
            (
                "Mass hardly ever shown",
                share(support.low_propensity_share),
                f"of the target policy's, where the propensity is below {support.low_propensity:.2g}",
            ),
            ("Mass never shown", share(never), "of the target policy's, on actions that the log does not hold"),
            ("Bootstrap", f"{profile.resamples:,} resamples, seed {profile.seed}", "percentile intervals"),
            ("Reward model", f"means by position and item, {profile.folds} folds", "cross-fitted over clusters"),
            *((n.replace("_", " "), str(v), "gate profile") for n, v in sorted(asdict(profile).items())),
            ("Gate profile", f"{profile.name} {result.verdict.gate_hash}", "name and digest"),
            ("Data digest", result.data_digest, "of every column that was read"),
            ("Result digest", result.digest, "the same inputs give the same"),
        ]
    )  # fmt: skip
