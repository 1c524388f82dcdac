"""On real films: codes in use, even, unique, and about taste and genre."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.tokenizer.config import kmeans, paper
from components.tokenizer.fit import Fitted, fit_tokenizer
from components.tokenizer.health import CodebookCollapsed, HealthLimits, check_health


@dataclass(frozen=True, kw_only=True)
class Films:
    inputs: tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray, int]
    fitted: Fitted


@pytest.fixture(scope="module")
def films(shared: Path) -> Films:
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
    inputs = (
        {"metadata": np.hstack([genres, decade]), "tags": tags},
        {"metadata": genres.any(axis=1), "tags": tags.any(axis=1)},
        edges,
        int(edges[0].max()) + 1,
    )
    config = replace(kmeans(), graph=replace(kmeans().graph, steps=20))
    fitted = fit_tokenizer(*inputs, config, categories=films["genres"].str.split("|").tolist())
    return Films(inputs=inputs, fitted=fitted)


@pytest.mark.shared_data
def test_codes_are_used_evenly_and_hardly_collide(films):
    health = films.fitted.health
    assert min(health.usage) >= 0.95
    assert min(health.perplexity) >= 0.8
    assert health.collisions <= 0.02
    assert 0 < health.moved <= health.collisions_unspread <= 0.3


@pytest.mark.shared_data
def test_a_shared_prefix_means_shared_users_and_shared_genres(films):
    health = films.fitted.health
    check_health(health, HealthLimits())
    for by_depth, lift in ((health.co_interaction, 2.0), (health.category, 1.3)):
        first, both = by_depth
        assert first.lift > lift
        assert first.z > 10
        assert both.lift > first.lift


@pytest.mark.shared_data
def test_the_published_configuration_collapses_on_real_films_and_is_stopped_by_name(films):
    config = replace(paper(), steps=100, graph=replace(paper().graph, steps=20))
    fitted = fit_tokenizer(*films.inputs, config)
    with pytest.raises(CodebookCollapsed, match=r"level 1 of 3: \d+% of its codes .* Look for a modality"):
        check_health(fitted.health, HealthLimits())
