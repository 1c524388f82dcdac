"""What the champion has never seen: new items among events and catalogue, and modalities that new items lack."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool
from scipy import special

from components.monitoring.event_drift import Stretch
from components.monitoring.limits import MonitorLimits
from components.monitoring.measure import Found, Measure, Question, judged, not_evaluable
from components.monitoring.stability import counts_by_user


def new_item_measures(
    training: Stretch, current: Stretch, known: set[str], catalogue: set[str], limits: MonitorLimits
) -> tuple[Measure, Measure]:
    """Share of the current events on items that are not `known`, and share of the `catalogue` that is not.

    What was usual stands beside it: the share that items new to it had in the end of the training, as long as the
    current stretch and at most half of the whole.
    """
    length = min(current.length, training.length / 2)
    before, late = training.without_last(length), training.last(length)
    known_before = set(before.events["item_id"])
    usual, share = _share(late, known_before, limits.alpha), _share(current, known, limits.alpha)
    in_events = judged(
        Question(
            name="new_items/events", group="items", title="Events on new items",
            meaning="share of the events on items that the champion was not trained on", unit="events",
        ),
        Found(
            reference=usual[0], current=share[0], value=share[0], noise=share[1],
            num_reference=len(late.events), num_current=len(current.events), fewest=limits.min_events,
        ),
        limits.new_share,
    )  # fmt: skip
    late_items = set(late.events["item_id"]) - known_before
    in_catalogue = judged(
        Question(
            name="new_items/catalogue", group="items", title="New items in the catalogue",
            meaning="share of the catalogue that the champion was not trained on", unit="items",
        ),
        Found(
            reference=len(late_items) / max(len(known), 1),
            current=len(catalogue - known) / max(len(catalogue), 1),
            value=len(catalogue - known) / max(len(catalogue), 1),
            noise=0.0,  # every item is counted
            num_reference=len(known), num_current=len(catalogue), fewest=limits.min_items,
        ),
        limits.new_share,
    )  # fmt: skip
    return in_events, in_catalogue


def missing_measures(
    known: Mapping[str, Bool[np.ndarray, "item"]],
    new: Mapping[str, Bool[np.ndarray, "new"]],
    limits: MonitorLimits,
) -> tuple[Measure, ...]:
    """How much more of each modality new items lack than the items of the training; the masks say who has it."""
    return tuple(_missing(modality, ~known[modality], ~new[modality], limits) for modality in sorted(known))


def _missing(modality: str, known: np.ndarray, new: np.ndarray, limits: MonitorLimits) -> Measure:
    question = Question(
        name=f"missing/{modality}", group="items", title=f"Items without {modality}",
        meaning="share of new items that lack it, above that of known ones", unit="items",
    )  # fmt: skip
    if not len(new):
        return not_evaluable(question, limits.missing_rise, "no item is new")
    reference = float(known.mean()) if len(known) else math.nan
    if 1 - reference < limits.missing_rise.drift:
        return not_evaluable(
            question,
            limits.missing_rise,
            f"{reference:.0%} of the known items lack it: it cannot rise that far",
        )
    return judged(question, _rise(known, new, limits), limits.missing_rise)


def _rise(known: np.ndarray, new: np.ndarray, limits: MonitorLimits) -> Found:
    """Rise of a share; the noise is of two independent samples of one population."""
    pooled = (known.sum() + new.sum() + 1) / (len(known) + len(new) + 2)
    error = math.sqrt(pooled * (1 - pooled) * (1 / len(known) + 1 / len(new)))
    return Found(
        reference=float(known.mean()), current=float(new.mean()), value=float(new.mean() - known.mean()),
        noise=float(-special.ndtri(limits.alpha)) * error, num_reference=len(known), num_current=len(new),
        fewest=limits.min_items,
    )  # fmt: skip


def _share(stretch: Stretch, known: set[str], alpha: float) -> tuple[float, float]:
    """Share of events on items outside `known`, and how much of it users alone could make of none."""
    events = stretch.events
    if events.empty:
        return math.nan, math.nan
    is_new = (~events["item_id"].isin(known)).to_numpy().astype(int)
    counts = counts_by_user(events["user_id"], is_new, num_bins=2)
    share = counts[:, 1].sum() / len(events)
    residual = counts[:, 1] - share * counts.sum(axis=1)
    users = len(counts)
    error = math.sqrt(float((residual**2).sum()) * users / max(users - 1, 1)) / len(events)
    return float(share), float(-special.ndtri(alpha)) * error
