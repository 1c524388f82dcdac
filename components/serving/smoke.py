"""The smoke test of a bundle: it loads, and answers a handful of histories as a list should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from components.serving.scorer import load_scorer

PLACES = 10


class DoesNotServe(Exception):
    """A bundle that loads and does not answer: names the history and what is amiss."""


def check_serves(bundle_path: Path) -> None:
    """Ask for lists of an empty history, known items, a stranger, and a long history.

    Raises DoesNotServe if a list is short, repeats or invents an item, or holds a score that is no number; what
    `load_scorer` raises if the bundle is damaged or not of this code.
    """
    scorer = load_scorer(bundle_path)
    known = scorer.item_ids.tolist()
    histories = {
        "empty": [],
        "one item": known[:1],
        "a stranger": ["no item of any catalogue", *known[-1:]],
        "long": known[:50],
    }
    asked = pd.DataFrame({"user_id": list(histories), "item_ids": list(histories.values())})
    lists = scorer.recommend(asked, k=PLACES)
    for history, seen in histories.items():
        answer = lists[lists["user_id"] == history]
        expected = min(PLACES, len(known) - len(set(seen) & set(known)))
        if len(answer) < expected:
            raise DoesNotServe(f"history {history!r}: {len(answer)} of {expected} places are filled")
        if answer["item_id"].duplicated().any() or not set(answer["item_id"]) <= set(known):
            raise DoesNotServe(f"history {history!r}: an item stands twice or is not of the catalogue")
        if not np.isfinite(answer["score"]).all():
            raise DoesNotServe(f"history {history!r}: a score is not a finite number")
