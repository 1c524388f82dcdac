"""Every tokenizer that may be asked for, small: whole, frozen as fitted, and only the baseline may be unwell."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from components.tokenizer.choices import health_limits, tokenizer_config
from components.tokenizer.config import default, fsq, kmeans, paper, product
from components.tokenizer.fit import Fitted, fit_tokenizer
from components.tokenizer.health import CodebookCollapsed, HealthLimits, check_health
from components.tokenizer.ids import with_collision_tokens
from components.tokenizer.names import BASELINE, TokenizerName
from components.tokenizer.stability import IdsUnrelated
from components.tokenizer.tokenizer import load_tokenizer
from components.tokenizer.version import Version, begin_version
from tests.tokenizer.planted import planted_catalogue

NAMES = get_args(TokenizerName)
CATALOGUE = planted_catalogue(num_items=200)
ITEM_IDS = np.array([f"i{row:03d}" for row in range(200)], dtype=object)


@pytest.fixture(scope="module", params=NAMES)
def chosen(request) -> tuple[TokenizerName, Fitted]:
    return request.param, fit_tokenizer(*CATALOGUE.inputs, tokenizer_config(request.param, "quick", seed=3))


def _begin(fitted: Fitted, *, is_baseline: bool, **more) -> Version:
    edges = np.unique(CATALOGUE.edges, axis=1)
    asked = {"previous": None, "limits": HealthLimits()} | more
    return begin_version(fitted, ITEM_IDS, edges, is_baseline=is_baseline, **asked)


def test_a_name_in_full_size_is_the_preset_with_its_seed():
    presets = [default(), kmeans(), fsq(), product(), paper()]
    assert [tokenizer_config(name, "default", seed=5) for name in NAMES] == [
        replace(p, seed=5) for p in presets
    ]


def test_what_is_loaded_gives_the_codes_of_the_fit(chosen, tmp_path):
    name, fitted = chosen
    fitted.tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.config == tokenizer_config(name, "quick", seed=3)
    codes = loaded.assign(*CATALOGUE.inputs, fitted_rows=np.arange(200))
    same = (codes == fitted.codes).all(axis=1)
    assert same.mean() == pytest.approx(1 - fitted.health.moved)
    assert codes.max() < loaded.codebook_size


def test_items_of_a_cluster_share_first_codes(chosen):
    """Of two items of one first code, more are of one cluster than of two drawn at random, one in eight."""
    _, fitted = chosen
    first, clusters = fitted.codes[:, 0], CATALOGUE.clusters
    pairs = [(a, b) for a in range(200) for b in range(a) if first[a] == first[b]]
    assert np.mean([clusters[a] == clusters[b] for a, b in pairs]) > 2 / 8


def test_only_the_baseline_is_unwell(chosen):
    name, fitted = chosen
    if name != BASELINE:
        check_health(fitted.health, health_limits(name))
        return
    with pytest.raises(CodebookCollapsed, match="level 1 of 3"):
        _begin(fitted, is_baseline=False)
    version = _begin(fitted, is_baseline=True)
    assert version.outside.startswith("level 1 of 3")
    assert version.figures == fitted.health.metrics()
    assert len(version.table) == 200


@pytest.mark.parametrize("name", NAMES)
def test_a_collapse_is_outside_of_every_ones_limits(name):
    """One code of 16 at one level, and all else as good as can be."""
    fitted = fit_tokenizer(*CATALOGUE.inputs, tokenizer_config("residual_kmeans", "quick", seed=3))
    collapsed = replace(fitted.health, usage=(1.0, 1 / 16, 1.0), perplexity=(1.0, 1 / 16, 1.0))
    with pytest.raises(CodebookCollapsed, match="level 2 of 3"):
        check_health(collapsed, health_limits(name))


def test_a_baseline_within_all_limits_is_outside_of_none_and_is_held_to_no_ids_before(chosen):
    _, fitted = chosen
    lenient = HealthLimits(min_usage=0, min_perplexity=0, max_collisions=1, max_reconstruction_error=9)
    version = _begin(fitted, is_baseline=True, limits=lenient)
    assert version.outside == ""
    dealt = replace(version.table, codes=np.random.default_rng(0).permutation(version.table.codes))
    strict = replace(lenient, min_stability=0.9)
    with pytest.raises(IdsUnrelated):
        _begin(fitted, is_baseline=False, limits=strict, previous=dealt)
    version = _begin(fitted, is_baseline=True, limits=strict, previous=dealt)
    assert (version.outside, version.kept.rand[0] < 0.9) == ("", True)


def test_after_a_collapsed_baseline_every_other_tokenizer_makes_its_ids(chosen):
    """All 200 items had one first code, with which nothing agrees beyond chance: that is told, and no condition."""
    name, fitted = chosen
    collapsed = with_collision_tokens(
        ITEM_IDS, np.zeros((200, 3), dtype=np.int64), np.zeros(200, dtype=np.int64)
    )
    asked = {"is_baseline": name == BASELINE, "limits": health_limits(name), "previous": collapsed}
    version = _begin(fitted, continues=False, **asked)
    assert version.figures["stability_common"] == HealthLimits().enough_items
    assert version.figures["stability_rand_1"] == 0
    assert "of 200 items with an ID before" in version.note
    if name != BASELINE:
        with pytest.raises(IdsUnrelated, match="without --tokenizer"):
            _begin(fitted, continues=True, **asked)
