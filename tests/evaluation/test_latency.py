"""Latency of arms that share a clock: interleaved, warm, and compared by quantile."""

from __future__ import annotations

import pytest

from components.evaluation.gate import LatencyRatio
from components.evaluation.latency import check_latency, measure_latency


def test_latency_is_interleaved_and_the_warm_up_thrown_away():
    now, asked = [0.0], []

    def arm(name: str, cost: float):
        def answer(requests: slice) -> None:
            asked.append((name, requests.start))
            now[0] += cost * (100 if len(asked) <= 4 else 1)

        return answer

    found = measure_latency(
        {"slow": arm("slow", 0.004), "fast": arm("fast", 0.002)},
        num_requests=6, batch_size=2, batches=9, warm_up=2, clock=lambda: now[0],
    )  # fmt: skip
    assert asked[:4] == [("fast", 0), ("slow", 0), ("slow", 2), ("fast", 2)]
    assert (found["slow"].p95, found["fast"].p50) == pytest.approx((4.0, 2.0))
    assert not check_latency(found, "slow", "fast", LatencyRatio()).is_passed
    assert check_latency(found, "fast", "slow", LatencyRatio()).is_passed
