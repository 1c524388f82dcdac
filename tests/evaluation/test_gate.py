"""The gate's truth table: what each kind of evidence comes to, and why."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from components.evaluation.alpha_spending import Attempt
from components.evaluation.comparison import Comparison
from components.evaluation.gate import GateInput, Outcome, ProfileError, decide, production, small
from components.evaluation.profile import Sequential

PROFILE = small()


def compared(baseline: str, metric: str, lower: float, upper: float, **more) -> Comparison:
    delta, n, mde = (lower + upper) / 2, more.pop("n", 300), more.pop("mde", 0.02)
    return Comparison(
        challenger="new", baseline=baseline, metric=metric, slice=more.pop("slice", "all"), n=n, delta=delta,
        lower=lower, upper=upper, p=0.5, challenger_mean=0.1, baseline_mean=0.1, relative_lift=0.0, dz=0.1,
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


def test_the_hash_follows_every_number():
    other = replace(PROFILE, primary=replace(PROFILE.primary, seed=8))
    assert small().hash == PROFILE.hash
    assert len({PROFILE.hash, other.hash, production().hash}) == 3


@pytest.mark.parametrize("users", [291, 401])
def test_small_fits_movielens(users: int):
    assert PROFILE.satisfiability(users=users).satisfiable


def test_a_profile_that_asks_for_more_users_than_there_are_says_so():
    found = production().satisfiability(users=401, sd=0.1)
    assert not found.satisfiable
    assert "401" in found.reason
    assert found.detectable_effect == pytest.approx(2.8016 * 0.1 / math.sqrt(401), rel=1e-4)


@pytest.mark.parametrize(
    "broken",
    [
        {"must_beat": ()},
        {"primary": replace(PROFILE.primary, alpha_one_sided=0.5)},
        {"primary": replace(PROFILE.primary, resamples=500)},
        {"primary": replace(PROFILE.primary, effect_of_interest=0.0)},
        {"validity": replace(PROFILE.validity, min_users=10)},
        {"required": (replace(PROFILE.required[0], margin=0.0),)},
        {"required": (replace(PROFILE.required[1], min_value=1.5),)},
        {"challengers_a_window": 0},
        {"sequential": Sequential(n_min=5)},
        {"sequential": Sequential(v_opt=0)},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_a_profile_that_contradicts_itself_is_refused(broken: dict):
    with pytest.raises(ProfileError, match="small"):
        replace(PROFILE, **broken)


def test_a_coverage_that_lists_cannot_reach_is_told():
    """Three lists of ten hold at most 30 of 1,000 candidates: .03, and .05 is asked for."""
    found = PROFILE.satisfiability(users=300, candidates=1_000, requests=3)
    assert not found.satisfiable
    assert "out of reach: 3 lists hold at most 0.030 of 1000 candidates" in found.reason
    assert PROFILE.satisfiability(users=300, candidates=1_000, requests=5).satisfiable


def test_a_profile_that_is_blind_to_what_matters_says_so():
    """At sd .1 and 300 users .0162 is found with power .8 at alpha .05; .01 is of interest and needs 785."""
    blind, sharp = (PROFILE.satisfiability(users=users, sd=0.1) for users in (300, 800))
    assert (blind.satisfiable, blind.detects_interest) == (True, False)
    assert "would need 785 users" in blind.reason
    assert (sharp.detects_interest, sharp.reason) == (True, "")
    assert PROFILE.satisfiability(users=300).detects_interest is None  # the spread is not known yet


def test_what_is_left_of_alpha_decides_what_can_be_found():
    full, share = (
        PROFILE.satisfiability(users=300, sd=0.1, alpha_one_sided=alpha) for alpha in (None, 0.001)
    )
    assert full.detectable_effect < share.detectable_effect
    assert not PROFILE.satisfiability(users=300, alpha_one_sided=0.0).satisfiable


def test_a_sequential_test_that_never_looks_is_told():
    patient = replace(PROFILE, sequential=Sequential(enabled=True, n_min=500))
    found = patient.satisfiability(users=401)
    assert not found.satisfiable
    assert "looks first at 500 users" in found.reason
