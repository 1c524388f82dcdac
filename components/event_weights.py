"""Weights of event types, `view=0.2,cart=0.5`: how much an event of a type counts as something to be predicted.

A weight multiplies the loss of an event that is a training target, and its count in popularity. Weight 0 is context
alone: the event stays in its user's history, and is neither target, nor counted, nor truth of a replay. A type that
is not named weighs 1, so what matters is a weight's ratio to the others. A line of weights names those that differ
from 1, in the order of their types: two lines that mean the same are the same text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.numbers_by_type import from_zero_on, numbers_by_type

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

UNSAID = 1.0  # of a type that is not named
NONE = "none"  # a line that says: no weights, whatever stands elsewhere
_ZERO = "; 0 keeps such events in the history, and trains and judges on none of them"


def read_event_weights(text: str) -> dict[str, float]:
    """Event type → weight, for those that differ from 1; empty for "" and "none".

    Raises ValueError naming the part that is no weight, and a type that is named with two.
    """
    said = "" if text.strip() == NONE else text
    return _canonical(
        numbers_by_type(said, called="weight", of="an event type", example="view=0.2", zero=_ZERO)
    )


def checked_weight(event_type: str, said: object) -> float:
    """The weight as a number. Raises ValueError for what is none, is negative, or not finite."""
    return from_zero_on(event_type, said, called="weight", zero=_ZERO)


def event_weights_text(weights: Mapping[str, float]) -> str:
    """The line that `read_event_weights` reads; "" where all weigh 1."""
    return ",".join(f"{name}={_number(weight)}" for name, weight in _canonical(weights).items())


def weights_of(event_types: np.ndarray, weights: Mapping[str, float]) -> Float[np.ndarray, "event"]:
    """The weight of each event by its type, float64."""
    import numpy as np  # this file is read with the settings, and a command that needs none loads no array

    types, place = np.unique(np.asarray(event_types, dtype=object), return_inverse=True)
    return np.array([weights.get(name, UNSAID) for name in types], dtype=np.float64)[place]


def told_types(counts: Mapping[str, int], weights: Mapping[str, float]) -> str:
    """Types with their counts, the most frequent first, and their weights where any is said."""
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(
        f"{name} {count:,}" + (f" (weight {_number(weights.get(name, UNSAID))})" if weights else "")
        for name, count in ordered
    )


def _canonical(weights: Mapping[str, float]) -> dict[str, float]:
    return {name: weights[name] for name in sorted(weights) if weights[name] != UNSAID}


def _number(weight: float) -> str:
    return repr(float(weight)).removesuffix(".0")
