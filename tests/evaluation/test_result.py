"""The result as one value: what repeats, what a clock adds, and its table."""

from __future__ import annotations

from components.evaluation.gate import Outcome
from components.evaluation.latency import Latency
from tests.evaluation.judging import FAST, judge


def test_latency_stands_beside_the_reproducible_part(world):
    slow = {"better": Latency(**{**FAST, "p95": 9.0}), "good": Latency(**FAST)}
    results = [judge(*world, "better", "good", latency=latency) for latency in (slow, None)]
    assert [result.outcome for result in results] == [Outcome.REJECT, Outcome.HOLD]
    assert [result.verdict.outcome for result in results] == [Outcome.PROMOTE] * 2
    assert len({result.digest for result in results}) == 1
    assert "not measured" in results[1].reasons[0]


def test_metrics_table_holds_every_arm_with_its_interval(world):
    table = judge(*world, "better", "good").metrics_table().set_index("arm")
    assert list(table.index) == ["better", "good", "popularity", "recent_popularity", "bad"]
    assert (table["ndcg@10 lower"] < table["ndcg@10"]).all()
    assert (table["coverage@10"] == 1).all()
