"""Slate estimators on a world of known value."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluation.counterfactual import slates


def slate_world(generator: np.random.Generator, slates_drawn: int) -> dict[str, np.ndarray]:
    """Two places, two items each, drawn independently; a reward depends on the item at its place, and the
    second also on the first (a user who reads from the top)."""
    first, second = (generator.random(slates_drawn) < p for p in (0.5, 0.4))  # the good item stands there
    logged, target = np.array([0.5, 0.4]), np.array([0.8, 0.3])
    shown = np.column_stack([first, second])
    slot = np.where(shown, target / logged, (1 - target) / (1 - logged))
    chance = np.column_stack([0.2 + 0.4 * first, 0.1 + 0.3 * second])
    from_the_top = np.column_stack([np.ones(slates_drawn), 0.5 + 0.5 * first])
    return {
        "reward": (generator.random((slates_drawn, 2)) < chance).astype(float),
        "read": (generator.random((slates_drawn, 2)) < chance * from_the_top).astype(float),
        "slot": slot,
        "cascade": slot.cumprod(axis=1),
    }


def test_slate_estimators_on_a_world_of_known_value() -> None:
    """Independent places: (.2 + .4·.8) + (.1 + .3·.3) = .71. Read from the top: .52 + .19 · (.5 + .5·.8) = .691;
    there IIPS sees the first place as the log filled it: .52 + .19 · .75 = .6625."""
    drawn = slate_world(np.random.default_rng(2), 400_000)
    whole = drawn["cascade"][:, -1]
    plain = {
        "sips": slates.sips(drawn["reward"], whole),
        "iips": slates.iips(drawn["reward"], drawn["slot"]),
        "rips": slates.rips(drawn["reward"], drawn["cascade"]),
        "snsips": slates.snsips(drawn["reward"], whole),
        "pi": slates.pseudo_inverse(drawn["reward"], drawn["slot"]),
    }
    for name, terms in plain.items():
        assert terms.value == pytest.approx(0.71, abs=0.01), name
    read = drawn["read"]
    assert slates.rips(read, drawn["cascade"]).value == pytest.approx(0.691, abs=0.008)
    assert slates.sips(read, whole).value == pytest.approx(0.691, abs=0.008)
    assert slates.iips(read, drawn["slot"]).value == pytest.approx(0.6625, abs=0.008)
