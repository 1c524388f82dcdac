"""The gate's truth table: what each kind of evidence comes to, and why."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from components.evaluation.alpha_spending import Attempt
from components.evaluation.comparison import Comparison
from components.evaluation.gate import GateInput, Outcome, decide, small

PROFILE = small()


def compared(baseline: str, metric: str, lower: float, upper: float, **more) -> Comparison:
    delta, n, mde = (lower + upper) / 2, more.pop("n", 300), more.pop("mde", 0.02)
    return Comparison(
        challenger="new", baseline=baseline, metric=metric, slice=more.pop("slice", "all"), n=n, delta=delta,
        lower=lower, upper=upper, p=0.5, challenger_mean=0.1, baseline_mean=more.pop("baseline_mean", 0.1),
        relative_lift=0.0, dz=0.1,
        sd=0.1, mde=mde, zero_share=0.5,
    )  # fmt: skip


BETTER, WORSE, UNCLEAR = (0.01, 0.03), (-0.03, -0.01), (-0.01, 0.02)


def evidence(
    *,
    popularity=BETTER,
    recent=BETTER,
    champion=BETTER,
    recall=(-0.01, 0.03),
    coverage=0.3,
    mde=0.02,
    slices=(),
    **more,
) -> GateInput:
    comparisons = (
        compared("popularity", "ndcg@10", *popularity, mde=mde),
        compared("recent_popularity", "ndcg@10", *recent, mde=mde),
        compared("old", "ndcg@10", *champion, mde=mde),
        compared("old", "recall@50", *recall),
        *slices,
    )
    facts = {
        "challenger": "new",
        "champion": "old",
        "users": 300,
        "one_arm_only": 0.0,
        "temporal_cut": True,
        "comparisons": comparisons,
        "list_figures": {"coverage@10": coverage},
        "digests": {"new": "aaa", "old": "bbb"},
    }
    return GateInput(**(facts | more))


def without_champion(facts: GateInput) -> GateInput:
    kept = tuple(c for c in facts.comparisons if c.baseline != "old")
    return replace(facts, champion=None, comparisons=kept)


COLD = {"slice": "cold_users", "n": 150}
TABLE = [
    ("all is well", evidence(), Outcome.PROMOTE, "better than old"),
    ("minimum detectable effect never vetoes", evidence(mde=0.5), Outcome.PROMOTE, "better than old"),
    ("worse than the champion", evidence(champion=WORSE), Outcome.REJECT, "worse than old"),
    ("no difference, detectable", evidence(champion=UNCLEAR, mde=0.009), Outcome.HOLD, "was detectable"),
    ("no difference, not detectable", evidence(champion=UNCLEAR), Outcome.HOLD, "would need 1,200 users"),
    ("popularity is better", evidence(popularity=WORSE), Outcome.REJECT, "worse than popularity"),
    (
        "as good as popularity, with power",
        evidence(recent=UNCLEAR, mde=0.009),
        Outcome.REJECT,
        "was detectable",
    ),
    ("as good as popularity, no power", evidence(recent=UNCLEAR), Outcome.HOLD, "least detectable"),
    ("guardrail broken", evidence(recall=(-0.09, -0.03)), Outcome.REJECT, "recall@50 falls by more"),
    ("guardrail unproven", evidence(recall=(-0.05, 0.05)), Outcome.HOLD, "recall@50 may fall"),
    ("guardrail on its margin", evidence(recall=(-0.02, 0.05)), Outcome.HOLD, "recall@50 may fall"),
    ("coverage too low", evidence(coverage=0.01), Outcome.REJECT, "falls below 0.05"),
    ("coverage missing", evidence(coverage=math.nan), Outcome.HOLD, "coverage@10 was not measured"),
    ("worse goes before unclear", evidence(champion=UNCLEAR, popularity=WORSE), Outcome.REJECT, "worse than"),
    (
        "a slice that can be judged counts",
        evidence(slices=[compared("old", "ndcg@10", -0.09, -0.03, **COLD)]),
        Outcome.REJECT,
        "of cold_users falls",
    ),
    (
        "a slice that is too small does not",
        evidence(slices=[compared("old", "ndcg@10", -0.09, -0.03, slice="cold_users", n=99)]),
        Outcome.PROMOTE,
        "not evaluable: 99 users",
    ),
    (
        "a slice with too little to lose says nothing",
        evidence(
            slices=[
                compared("old", "recall@10", -0.01, 0.01, slice="cold_items", n=150, baseline_mean=0.0004)
            ]
        ),
        Outcome.PROMOTE,
        "not evaluable: old reaches 0.0004, so no challenger can fall by more than 0.02",
    ),
    (
        "too little to lose, and yet not held",
        evidence(
            slices=[
                compared("old", "recall@10", -0.03, 0.01, slice="cold_items", n=150, baseline_mean=0.0004)
            ]
        ),
        Outcome.HOLD,
        "may fall by more than 0.02",
    ),
    ("too few users", evidence(users=199), Outcome.INVALID, "199 users"),
    ("no users", evidence(users=0, one_arm_only=math.nan), Outcome.INVALID, "0 users"),
    ("users without a list", evidence(one_arm_only=0.02), Outcome.INVALID, "got no list"),
    ("trained past the cut", evidence(temporal_cut=False), Outcome.INVALID, "past the cut"),
    ("NaN", evidence(champion=(math.nan, math.nan)), Outcome.INVALID, "not finite"),
    ("infinite", evidence(champion=(0.01, math.inf)), Outcome.INVALID, "not finite"),
    (
        "the same artifact",
        evidence(digests={"new": "aaa", "old": "aaa"}, users=0),
        Outcome.HOLD,
        "nothing to replace",
    ),
    ("nothing was compared", evidence(comparisons=()), Outcome.HOLD, "was not measured"),
    ("the first champion", without_champion(evidence()), Outcome.PROMOTE, "better than popularity"),
    (
        "the second challenger of a window",
        evidence(attempt=Attempt(number=2, alpha_one_sided=0.004)),
        Outcome.PROMOTE,
        "challenger 2 on this window is judged at alpha 0.004, its share of 0.025 among 5",
    ),
    (
        "one challenger too many",
        evidence(attempt=Attempt(number=6, alpha_one_sided=0.0)),
        Outcome.INVALID,
        "comes too late",
    ),
    ("all scores tie", evidence(in_id_order=1.0), Outcome.INVALID, "in the order of item ids"),
    ("a leak that is named", evidence(temporal_cut=False, leaks=("old saw it",)), Outcome.INVALID, "old saw"),
    ("no first champion", without_champion(evidence(recent=UNCLEAR)), Outcome.HOLD, "least detectable"),
]


@pytest.mark.parametrize(
    ("facts", "outcome", "reason"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_truth_table(facts: GateInput, outcome: Outcome, reason: str):
    verdict = decide(facts, PROFILE)
    said = " | ".join(verdict.reasons)
    assert verdict.outcome is outcome, said
    assert reason in said
    assert verdict.gate_hash == PROFILE.hash


def test_no_figure_that_is_missing_ever_promotes():
    """Take away one comparison after the other: none of them can be spared."""
    whole = evidence()
    for left_out in whole.comparisons:
        kept = tuple(c for c in whole.comparisons if c is not left_out)
        assert decide(replace(whole, comparisons=kept), PROFILE).outcome is Outcome.HOLD
