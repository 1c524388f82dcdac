"""On real films: codes in use, even, unique, and about taste and genre."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.tokenizer.config import kmeans
from components.tokenizer.fit import Fitted, fit_tokenizer


@pytest.fixture(scope="module")
def genres_and_fit(shared: Path) -> tuple[np.ndarray, Fitted]:
    """Films with five ratings or more, by genres, words of the title and tags; the cheap preset, cut short."""
    folder = shared / "data" / "ml-latest-small-multimodal"
    events = pd.read_csv(folder / "interactions.csv", dtype={"item_id": str})
    counts = events["item_id"].value_counts()
    films = pd.read_csv(folder / "items.csv", dtype=str, keep_default_na=False)
    films = films[films["item_id"].isin(counts.index[counts >= 5])].reset_index(drop=True)
    genres = films["genres"].str.get_dummies("|").to_numpy(dtype=np.float32)
    decade = pd.get_dummies(films["year"].str[:3]).to_numpy(dtype=np.float32)
    tags = films["tags"].str.get_dummies("|")
    tags = tags.loc[:, tags.sum() >= 5].to_numpy(dtype=np.float32)
    place = pd.Series(np.arange(len(films)), index=films["item_id"])
    events = events[events["item_id"].isin(place.index)]
    edges = np.stack([pd.factorize(events["user_id"])[0], place[events["item_id"]].to_numpy()]).astype(
        np.int64
    )
    config = kmeans()
    fitted = fit_tokenizer(
        {"metadata": np.hstack([genres, decade]), "tags": tags},
        {"metadata": genres.any(axis=1), "tags": tags.any(axis=1)},
        edges,
        int(edges[0].max()) + 1,
        replace(config, graph=replace(config.graph, steps=20)),
    )
    return genres, fitted


@pytest.mark.shared_data
def test_codes_are_used_evenly_and_hardly_collide(genres_and_fit):
    health = genres_and_fit[1].health
    assert min(health.usage) >= 0.95
    assert min(health.perplexity) >= 0.8
    assert health.collisions <= 0.02
    assert health.moved <= 0.2


@pytest.mark.shared_data
def test_a_shared_first_code_means_shared_users_and_shared_genres(genres_and_fit):
    genres, fitted = genres_and_fit
    health = fitted.health
    assert health.co_interaction > 2 * health.co_interaction_permuted
    assert health.co_interaction_z > 10

    def overlap(first: np.ndarray) -> float:
        """Mean Jaccard overlap of the genres of two films with one first code."""
        found = []
        for code in np.unique(first):
            inside = genres[first == code]
            both = inside @ inside.T
            either = inside.sum(1)[:, None] + inside.sum(1) - both
            found.append((both / np.maximum(either, 1))[np.triu_indices(len(inside), 1)])
        return float(np.concatenate(found).mean())

    permuted = np.random.default_rng(0).permutation(fitted.codes[:, 0])
    assert overlap(fitted.codes[:, 0]) > 1.3 * overlap(permuted)
