"""A fit becomes a version: its table begins by popularity, its figures are kept, and a bad one stops here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.artifact import verified
from components.tokenizer.health import CodebookCollapsed, HealthLimits
from components.tokenizer.ids import SemanticIds
from components.tokenizer.stability import IdsUnrelated
from components.tokenizer.tokenizer import load_tokenizer
from components.tokenizer.version import Version, begin_version, publish_tokenizer
from tests.tokenizer.conftest import NUM_OLD, Begun


def _begin(begun: Begun, *, previous: SemanticIds | None = None, codes: np.ndarray | None = None) -> Version:
    fitted = begun.fitted if codes is None else replace(begun.fitted, codes=codes)
    return begin_version(
        fitted, begun.item_ids[:NUM_OLD], begun.old_edges, previous=previous, limits=HealthLimits()
    )


def test_the_first_version_has_no_stability(begun: Begun):
    version = _begin(begun)
    assert version.kept is None
    assert version.table.digest == begun.known.digest
    assert version.table_sizes == [16, 16, 16, 8]
    assert version.figures == begun.fitted.health.metrics()
    assert version.note == begun.fitted.health.summary()


def test_items_of_one_tuple_are_ranked_by_users(begun: Begun):
    """Everyone on one tuple: token 0 is of an item with the most users, and tokens never rise with popularity."""
    table = _begin(begun, codes=np.zeros((NUM_OLD, 3), dtype=np.int64)).table
    users = np.bincount(begun.old_edges[1], minlength=NUM_OLD)
    by_token = users[np.argsort(table.codes[:, -1])]
    assert (np.diff(by_token) <= 0).all()
    assert by_token[0] == users.max() > users.min()


def test_the_version_before_is_told_beside_health(begun: Begun):
    version = _begin(begun, previous=begun.known)
    assert version.kept is not None
    assert (version.kept.common, version.kept.identical) == (NUM_OLD, 1.0)
    assert version.figures == begun.fitted.health.metrics() | version.kept.metrics()
    assert version.note == f"{begun.fitted.health.summary()}; {version.kept.summary()}"


def test_a_version_before_without_common_items_is_none(begun: Begun):
    strangers = replace(begun.known, item_ids=np.array([f"x{n}" for n in range(NUM_OLD)], dtype=object))
    version = _begin(begun, previous=strangers)
    assert version.kept is None
    assert "stability_common" not in version.figures


def test_a_collapsed_codebook_and_unrelated_ids_stop(begun: Begun):
    health = replace(begun.fitted.health, usage=(0.1, 1.0, 1.0))
    args = (begun.item_ids[:NUM_OLD], begun.old_edges)
    with pytest.raises(CodebookCollapsed, match="level 1 of 3"):
        begin_version(replace(begun.fitted, health=health), *args, previous=None, limits=HealthLimits())
    dealt = replace(begun.known, codes=np.random.default_rng(0).permutation(begun.known.codes))
    with pytest.raises(IdsUnrelated, match="adjusted Rand index"):
        begin_version(begun.fitted, *args, previous=dealt, limits=HealthLimits(enough_items=50))


def test_published_it_gives_the_same_codes_and_keeps_its_figures(begun: Begun, tmp_path: Path):
    version = _begin(begun, previous=begun.known)
    parents, config = {"training_set": "1" * 64}, {"preset": "quick", "seed": 7}
    ref = publish_tokenizer(tmp_path, version, parents=parents, config=config)
    manifest = verified(ref.path)
    assert (ref.kind, manifest["parents"], manifest["config"]) == ("tokenizer", parents, config)
    assert sorted(manifest["files"]) == ["health.json", "tokenizer.json", "tokenizer.safetensors"]
    assert json.loads((Path(ref.path) / "health.json").read_text()) == version.figures
    content = begun.catalogue.part(slice(NUM_OLD, 160))
    again = load_tokenizer(Path(ref.path)).assign(*content)
    assert (again == begun.fitted.tokenizer.assign(*content)).all()
