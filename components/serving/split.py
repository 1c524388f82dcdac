"""Which users get which version while a trial runs, and with what probability an item is shown where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from components.evaluation.rehearsal import assign_arms

Variant = Literal["champion", "challenger"]
VARIANTS: tuple[Variant, Variant] = ("champion", "challenger")


def variant_of(user_id: str, *, share: float, salt: str) -> Variant:
    """The user's version: the same for ever under one salt, by the hash that the rehearsal deals users with."""
    return VARIANTS[int(assign_arms(salt, [user_id], [1 - share, share])[0])]


def propensities(shown: Sequence[str], other: Sequence[str], *, probability: float) -> list[float]:
    """Probability that each place shows what it shows, over the dealing of users.

    `probability` is that of the version whose list was shown; the rest is the other's. A place where both lists
    agree is sure.
    """
    return [
        1.0 if place < len(other) and other[place] == item else probability
        for place, item in enumerate(shown)
    ]
