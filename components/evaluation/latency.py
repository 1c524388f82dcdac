"""How long arms take to answer, measured fairly: interleaved, warm, in the same batches.

Figures of a clock and a machine: they stand beside a verdict's reproducible part, never in it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from components.evaluation.profile import LatencyRatio


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds a batch."""

    p50: float
    p95: float
    p99: float
    batches: int
    batch_size: int


@dataclass(frozen=True, kw_only=True)
class LatencyCheck:
    is_passed: bool
    ratio: float
    reason: str


def measure_latency(
    callables: Mapping[str, Callable[[slice], object]],
    *,
    num_requests: int,
    batch_size: int = 1,
    batches: int = 100,
    warm_up: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Latency]:
    """Ask every arm for the same batches in turn; each call gets a slice of the requests.

    The order of the arms turns by one each batch, so that none always runs on a cache another warmed. The
    first `warm_up` batches are thrown away. With few requests batches come round again.
    """
    if num_requests < 1:
        raise ValueError("no requests to measure latency on")
    names = sorted(callables)
    taken: dict[str, list[float]] = {name: [] for name in names}
    # whole batches only: a short last one would look fast
    starts = range(0, max(1, num_requests - batch_size + 1), batch_size)
    for number in range(warm_up + batches):
        start = starts[number % len(starts)]
        requests = slice(start, min(start + batch_size, num_requests))
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            begun = clock()
            callables[name](requests)
            if number >= warm_up:
                taken[name].append(1000 * (clock() - begun))
    return {name: _quantiles(times, batch_size) for name, times in taken.items()}


def check_latency(
    measured: Mapping[str, Latency] | None, challenger: str, champion: str, rule: LatencyRatio
) -> LatencyCheck:
    """Whether the challenger's quantile is within `max_ratio` of the champion's; unmeasured is not a pass."""
    if not measured or challenger not in measured or champion not in measured:
        return LatencyCheck(is_passed=False, ratio=math.nan, reason="latency was not measured")
    new, old = getattr(measured[challenger], rule.quantile), getattr(measured[champion], rule.quantile)
    # a champion that took no time at all is a clock too coarse to tell, and never a pass
    ratio = new / old if old > 0 else math.inf
    word = "within" if ratio <= rule.max_ratio else "beyond"
    return LatencyCheck(
        is_passed=ratio <= rule.max_ratio,
        ratio=ratio,
        reason=f"latency {rule.quantile} {new:.1f} ms is {ratio:.2f} x the champion's, "
        f"{word} {rule.max_ratio:g}",
    )


def _quantiles(times: list[float], batch_size: int) -> Latency:
    p50, p95, p99 = (float(q) for q in np.quantile(times, [0.5, 0.95, 0.99]))
    return Latency(p50=p50, p95=p95, p99=p99, batches=len(times), batch_size=batch_size)
