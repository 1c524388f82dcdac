"""What a frozen tokenizer makes of items that came after its fit: are its codes as even, as distinct, as close?

An encoder or a codebook that does not fit new content gives many items the same few codes (the entropy falls), the
same tuple (collisions), or codewords far from what they stand for (the quantisation error rises). New items are
placed by content alone, and so are those of the fit that they are held against. A sample of few items has few
codes whatever the tokenizer does, so that perplexity is compared with that of as many draws from the items of the fit.
Shapes: N new items, F items of the fit, L levels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from components.monitoring.limits import MonitorLimits
from components.monitoring.measure import Found, Measure, Question, judged, not_evaluable

_SAMPLES = 1000  # of items of the fit
_RESOLUTION = 0.5 / _SAMPLES  # no smaller chance can be read off so many samples


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Items by a frozen tokenizer, from content alone."""

    codes: Int[np.ndarray, "N L"]
    error: Float[np.ndarray, "N"]  # squared distance from what the codes stand for

    def __len__(self) -> int:
        return len(self.codes)


def code_measures(
    fitted: Placed, new: Placed, limits: MonitorLimits, *, seed: int = 7
) -> tuple[Measure, ...]:
    """Perplexity by level, collisions, and quantisation error of new items against those of the fit."""
    if not len(new) or not len(fitted):
        return no_code_measures("no item with content came after the tokenizer's fit", limits)
    levels = range(fitted.codes.shape[1])
    return (
        *(_perplexity(level, fitted, new, limits, seed) for level in levels),
        judged(COLLISIONS, _collisions(fitted, new, limits), limits.collision_rise),
        judged(ERROR, _error(fitted, new, limits), limits.error_rise),
    )


def no_code_measures(reason: str, limits: MonitorLimits) -> tuple[Measure, ...]:
    """The same where there is nothing to ask: no tokenizer, or no item."""
    asked = (
        (_code_use(0), limits.perplexity_fall), (COLLISIONS, limits.collision_rise), (ERROR, limits.error_rise)
    )  # fmt: skip
    return tuple(not_evaluable(question, threshold, reason) for question, threshold in asked)


def why_unhealthy(measures: tuple[Measure, ...]) -> str:
    """Why the tokenizer should be refitted; "" while nothing drifts."""
    return ", ".join(
        f"{m.title.lower()} {m.value:.2g} (bound {m.drift:g})" for m in measures if m.status == "drift"
    )


COLLISIONS = Question(
    name="codes/collisions", group="tokenizer", title="Collisions of new items",
    meaning="share of new items that share all codes with another, above that of the fit", unit="items",
)  # fmt: skip
ERROR = Question(
    name="codes/error", group="tokenizer", title="Quantisation error of new items",
    meaning="rise over that of the items of the fit, in parts of it", unit="items",
)  # fmt: skip


def _code_use(level: int) -> Question:
    return Question(
        name=f"codes/perplexity_{level + 1}", group="tokenizer", title=f"Entropy of codes, level {level + 1}",
        meaning="fall of the perplexity below that of as many draws from the fit, in parts of it", unit="items",
    )  # fmt: skip


def _perplexity(level: int, fitted: Placed, new: Placed, limits: MonitorLimits, seed: int) -> Measure:
    """Perplexity over the codes that as many items could have: 1 if every one has a code of its own."""
    rng = np.random.default_rng(seed + level)
    known, now = np.bincount(fitted.codes[:, level]), np.bincount(new.codes[:, level])
    most = min(len(new), max(len(known), len(now)))
    current = float(perplexity(now)) / most
    samples = perplexity(rng.multinomial(len(new), known / known.sum(), size=_SAMPLES)) / most
    reference = float(samples.mean())
    least = float(np.quantile(samples, max(limits.alpha, _RESOLUTION)))
    return judged(
        _code_use(level),
        Found(
            reference=reference, current=current, value=1 - current / reference, noise=1 - least / reference,
            num_reference=len(fitted), num_current=len(new), fewest=limits.min_items,
        ),
        limits.perplexity_fall,
    )  # fmt: skip


def perplexity(counts: Int[np.ndarray, "*sample code"]) -> Float[np.ndarray, "*sample"]:
    """exp(entropy), natural logarithm: as many codes, equally frequent, would have the same entropy."""
    share = counts / counts.sum(axis=-1, keepdims=True)
    return np.exp(special.entr(share).sum(axis=-1))


def _collisions(fitted: Placed, new: Placed, limits: MonitorLimits) -> Found:
    """Each among all items: those of the fit among themselves, new ones among them and each other."""
    _, group, count = np.unique(
        np.concatenate([fitted.codes, new.codes]), axis=0, return_inverse=True, return_counts=True
    )
    shared = count[group.reshape(-1)] > 1
    _, own, among = np.unique(fitted.codes, axis=0, return_inverse=True, return_counts=True)
    reference, current = among[own.reshape(-1)] > 1, shared[len(fitted) :]
    pooled = (reference.sum() + current.sum() + 1) / (len(reference) + len(current) + 2)
    error = math.sqrt(pooled * (1 - pooled) * (1 / len(reference) + 1 / len(current)))
    return Found(
        reference=float(reference.mean()), current=float(current.mean()),
        value=float(current.mean() - reference.mean()), noise=float(-special.ndtri(limits.alpha)) * error,
        num_reference=len(fitted), num_current=len(new), fewest=limits.min_items,
    )  # fmt: skip


def _error(fitted: Placed, new: Placed, limits: MonitorLimits) -> Found:
    reference, current = float(fitted.error.mean()), float(new.error.mean())
    scatter = math.sqrt(fitted.error.var() / len(fitted) + new.error.var() / len(new))
    return Found(
        reference=reference, current=current,
        value=current / reference - 1 if reference > 0 else math.nan,
        noise=float(-special.ndtri(limits.alpha)) * scatter / reference if reference > 0 else math.nan,
        num_reference=len(fitted), num_current=len(new), fewest=limits.min_items,
    )  # fmt: skip
