"""The latency table: quantiles as they were measured, and what the gate made of them."""

from __future__ import annotations

from dataclasses import replace

from components.evaluation.latency import Latency, LatencyCheck
from components.report.latency import latency_table
from tests.report.reported import judged

SLOW = Latency(p50=1.5, p95=22.25, p99=30.0, batches=1_200, batch_size=64)


def test_quantiles_and_the_checks_reason():
    check = LatencyCheck(is_passed=False, ratio=9.0, reason="p95 is <9> x the champion's")
    text = latency_table(replace(judged(), latency={"new": SLOW, "a": SLOW}, latency_check=check))
    assert text.index('<th scope="row">a</th>') < text.index('<th scope="row">new</th>')
    for shown in (">1.50<", ">22.25<", ">30.00<", ">64<", ">1,200<"):
        assert text.count(shown) == 2
    assert "p95 is &lt;9&gt; x" in text


def test_without_a_rule_only_the_figures_stand():
    text = latency_table(replace(judged(), latency={"new": SLOW}, latency_check=None))
    assert text.startswith("<div")
