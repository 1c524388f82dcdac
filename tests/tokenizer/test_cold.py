"""Cold items: an ID for whoever has content, none for the others, and none of it in the table of the cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.artifact import ArtifactRef, verified
from components.content_vectors import ContentVectors
from components.tokenizer.cold import cold_table, publish_cold_ids, read_cold_content
from components.tokenizer.id_table import read_id_table
from components.tokenizer.ids import SemanticIdError
from tests.tokenizer.conftest import NUM_OLD, Begun

NEW = slice(NUM_OLD, 160)


def _masked(begun: Begun, nobody: slice):
    """Vectors and masks of the 40 later items; those in `nobody` have no modality."""
    vectors, present = begun.catalogue.part(NEW)
    for mask in present.values():
        mask[nobody] = False
    return vectors, present


def test_items_without_content_get_no_id(begun: Begun):
    """Of 40 items the first 3 have no vector: 37 IDs, below the rows of the cut, which stay."""
    names = begun.item_ids[NEW]
    cold = cold_table(begun.known, begun.fitted.tokenizer, names, *_masked(begun, slice(0, 3)))
    assert (cold.num_cold, cold.num_known) == (37, NUM_OLD)
    assert cold.table.holds(begun.known)
    assert cold.table.item_ids[NUM_OLD:].tolist() == sorted(names[3:])


def test_an_items_codes_do_not_depend_on_who_comes_with_it(begun: Begun):
    together = cold_table(
        begun.known, begun.fitted.tokenizer, begun.item_ids[NEW], *_masked(begun, slice(0, 0))
    )
    for row in (NUM_OLD, 150):
        one = slice(row, row + 1)
        alone = cold_table(
            begun.known, begun.fitted.tokenizer, begun.item_ids[one], *begun.catalogue.part(one)
        )
        assert alone.table.codes[-1, :-1].tolist() == together.table.codes[row, :-1].tolist()


def test_nobody_with_content_and_nobody_at_all(begun: Begun):
    for names, content in (
        (begun.item_ids[NEW], _masked(begun, slice(None))),
        (begun.item_ids[:0], begun.catalogue.part(slice(0, 0))),
    ):
        cold = cold_table(begun.known, begun.fitted.tokenizer, names, *content)
        assert (cold.num_cold, cold.table.digest) == (0, begun.known.digest)


def test_an_item_of_the_cut_is_not_cold(begun: Begun):
    rows = slice(0, 2)
    with pytest.raises(SemanticIdError, match="item i000 has an ID already"):
        cold_table(begun.known, begun.fitted.tokenizer, begun.item_ids[rows], *begun.catalogue.part(rows))


def test_published_it_names_the_cut_and_the_window(begun: Begun, tmp_path: Path):
    ids, window = (
        ArtifactRef(kind=kind, digest=digit * 64, path="") for kind, digit in (("id_table", "1"), ("s", "2"))
    )
    cold = cold_table(begun.known, begun.fitted.tokenizer, begun.item_ids[NEW], *_masked(begun, slice(0, 3)))
    ref = publish_cold_ids(tmp_path, cold, ids=ids, window=window)
    assert (ref.kind, read_id_table(ref).digest) == ("cold_ids", cold.table.digest)
    manifest = verified(ref.path)
    assert manifest["parents"] == {"ids": "1" * 64, "window": "2" * 64}
    assert manifest["config"] == {"num_known": NUM_OLD, "num_cold": 37}
    assert np.array_equal(read_id_table(ref).codes, cold.table.codes)
    assert read_cold_content(ref) is None


def test_beside_their_ids_stands_what_cold_items_are_where_that_is_asked(begun: Begun, tmp_path: Path):
    ids, window = (ArtifactRef(kind=kind, digest="1" * 64, path="") for kind in ("id_table", "snapshot"))
    cold = cold_table(begun.known, begun.fitted.tokenizer, begun.item_ids[NEW], *_masked(begun, slice(0, 3)))
    vectors = np.random.default_rng(0).standard_normal((cold.num_cold, 5)).astype(np.float32)
    content = ContentVectors(vectors=vectors, space="text=made/5")
    found = read_cold_content(publish_cold_ids(tmp_path, cold, ids=ids, window=window, content=content))
    assert found is not None
    assert found[0].tolist() == cold.table.item_ids[-cold.num_cold :].tolist()
    assert found[1].space == content.space
    np.testing.assert_array_equal(found[1].vectors, vectors)
