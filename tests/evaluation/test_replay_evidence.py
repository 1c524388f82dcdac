"""What a reader asks of the evidence."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from components.evaluation.comparison import Comparison
from components.evaluation.replay import ReplayResult
from tests.evaluation.judging import judge, planted

RATES = {"good": 0.6, "better": 0.75, "bad": 0.2, "popularity": 0.3, "recent_popularity": 0.3}


@pytest.fixture(scope="module")
def result() -> ReplayResult:
    return judge(*planted(RATES), "better", "good")


def test_a_reader_finds_arms_leads_and_roles(result: ReplayResult):
    found = result.evidence
    assert found.arm_names == ("better", "good", "popularity", "recent_popularity", "bad")
    roles = ["challenger", "champion", "baseline", "baseline", "baseline"]
    assert [found.role_of(arm) for arm in found.arm_names] == roles
    means = {arm: found.mean(arm, "hr@10") for arm in ("better", "good")}
    lead = found.lead_over("good", "hr@10")
    assert isinstance(lead, Comparison)
    assert lead.slice == "all"
    assert lead.delta == pytest.approx(means["better"].mean - means["good"].mean)
    assert found.lead_over("better", "hr@10") is None
    with pytest.raises(KeyError, match="arms are better, good"):
        found.mean("ghost", "hr@10")


def test_figures_of_an_arm_are_its_means_and_its_lists(result: ReplayResult):
    evidence = result.evidence
    with_nothing = replace(evidence, list_figures={"better": {"coverage@10": 0.5, "gini@10": math.nan}})
    figures = with_nothing.figures_of("better")
    assert figures["ndcg@10"] == evidence.mean("better", "ndcg@10").mean
    assert figures["coverage@10"] == 0.5
    assert "gini@10" not in figures


def test_a_clock_leaves_no_trace_in_the_digest(result: ReplayResult):
    evidence = result.evidence
    other = replace(evidence, measured=replace(evidence.measured, latency={}))
    assert other.digest_of_content() == evidence.digest
    assert replace(evidence, alpha_one_sided=0.01).digest_of_content() != evidence.digest
