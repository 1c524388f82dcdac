"""A small bundle of a real arm, opened for scoring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.recommender.baselines.popularity import fit_popularity
from components.registry.bundle import BundleFacts, build_bundle
from components.serving.scorer import Scorer, load_scorer


@pytest.fixture
def bundle_path(tmp_path: Path) -> Path:
    """All-time popularity: a before b before c before d; e is in the catalogue and was never seen."""
    events = np.array(["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["d"], dtype=object)
    items = pd.DataFrame({"item_id": list("abcde"), "title": ["A", "B", "C", None, "E"], "categories": None})
    facts = BundleFacts(
        arm="popularity",
        train_end="1998-01-01T00:00:00+00:00",
        snapshot="5" * 64,
        feature_set="f" * 64,
        tokenizer=None,
        id_table=None,
        seed=7,
        code="c" * 64,
    )
    ref = build_bundle(
        tmp_path, write_arm=fit_popularity(events).save, write_tokenizer=None, items=items, facts=facts
    )
    return Path(ref.path)


@pytest.fixture
def scorer(bundle_path: Path) -> Scorer:
    return load_scorer(bundle_path)
