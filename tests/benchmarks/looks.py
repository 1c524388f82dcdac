"""A/A streams looked at after every user: how often each test says "different" at least once, at alpha .05."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from components.evaluation.sequential import empirical_bernstein
from tests.evaluation.reference.peeking import mixture_rejects, naive_rejects

STREAMS, USERS, ALPHA = 4_000, 3_000, 0.05
BERNSTEIN_STREAMS = 1_000  # one at a time
_TOGETHER = 250


def normal(generator: np.random.Generator, size: tuple[int, int]) -> Float[np.ndarray, "stream user"]:
    return generator.normal(size=size)


def ternary(generator: np.random.Generator, size: tuple[int, int]) -> Float[np.ndarray, "stream user"]:
    """A hit more, a hit less, or, for nine users in ten, neither."""
    return generator.choice([-1.0, 0.0, 1.0], p=[0.05, 0.9, 0.05], size=size)


def skewed(generator: np.random.Generator, size: tuple[int, int]) -> Float[np.ndarray, "stream user"]:
    """Zero for four users in five; for the others a gamma variable about its mean, skewness 2.8."""
    return (generator.random(size) < 0.2) * (generator.gamma(0.5, size=size) - 0.5)


def bounded(generator: np.random.Generator, size: tuple[int, int]) -> Float[np.ndarray, "stream user"]:
    """NDCG@10 of one relevant item in two arms that each hit one user in five, at any of ten places."""
    gain = np.concatenate([1 / np.log2(np.arange(2, 12)), np.zeros(40)])
    return generator.choice(gain, size=size) - generator.choice(gain, size=size)


WORLDS: dict[str, Callable[..., np.ndarray]] = {
    "normal": normal,
    "ternary hits": ternary,
    "skewed zero-inflated": skewed,
    "bounded NDCG-like": bounded,
}


def looks(streams: int = STREAMS, users: int = USERS) -> dict[str, Any]:
    begin, rows = time.process_time(), []
    for place, (name, world) in enumerate(WORLDS.items()):
        generator = np.random.default_rng(place)
        found = dict.fromkeys(
            ("naive_every_user", "naive_20_looks", "fixed_n", "mixture_100", "mixture_500"), 0
        )
        for first in range(0, streams, _TOGETHER):
            d = world(generator, (min(_TOGETHER, streams - first), users))
            naive = naive_rejects(d, alpha=ALPHA)
            found["naive_every_user"] += int(naive[:, 100:].any(axis=1).sum())
            found["naive_20_looks"] += int(naive[:, users // 20 - 1 :: users // 20].any(axis=1).sum())
            found["fixed_n"] += int(naive[:, -1].sum())
            for n_min in (100, 500):
                rejects = mixture_rejects(d, alpha=ALPHA, v_opt=500, n_min=n_min)
                found[f"mixture_{n_min}"] += int(rejects.any(axis=1).sum())
        upper = stats.binomtest(found["mixture_500"], streams).proportion_ci(0.95).high
        row: dict[str, Any] = {"stream": name, **{test: n / streams for test, n in found.items()}}
        rows.append(row | {"mixture_500_upper": float(upper)})
        if name.startswith("bounded"):
            rows[-1]["empirical_bernstein"] = _bernstein(world, generator, users)
    return {"rows": rows, "streams": streams, "users": users, "cpu_seconds": time.process_time() - begin}


def _bernstein(world: Callable[..., np.ndarray], generator: np.random.Generator, users: int) -> float:
    wrong = 0
    for d in world(generator, (BERNSTEIN_STREAMS, users)):
        bounds = empirical_bernstein((d + 1) / 2, alpha=ALPHA)
        wrong += int(((bounds[:, 0] > 0.5) | (bounds[:, 1] < 0.5)).any())
    return wrong / BERNSTEIN_STREAMS
