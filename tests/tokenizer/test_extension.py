"""New items in a table: they get IDs near their like, and nothing that stands is touched."""

from __future__ import annotations

import numpy as np

from components.tokenizer.extension import extend_table
from tests.tokenizer.conftest import NUM_OLD, Begun


def _extend(begun: Begun, order: np.ndarray):
    """The whole catalogue, its rows in this order."""
    vectors, present = begun.catalogue.part(order)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    edges = np.stack([begun.catalogue.edges[0], place[begun.catalogue.edges[1]]])
    args = (begun.item_ids[order], vectors, present, edges, begun.catalogue.num_users)
    return extend_table(begun.known, begun.fitted.tokenizer, *args)


def test_new_items_stand_below_and_known_rows_stay(begun: Begun):
    extended = _extend(begun, np.arange(160))
    assert extended.num_new == 160 - NUM_OLD
    assert extended.table.item_ids.tolist() == begun.item_ids.tolist()
    assert (extended.table.codes[:NUM_OLD] == begun.known.codes).all()


def test_new_items_land_where_their_cluster_is(begun: Begun):
    """The commonest cluster of a first code among known items; of eight clusters chance hits one in eight."""
    codes, clusters = _extend(begun, np.arange(160)).table.codes[:, 0], begun.catalogue.clusters
    homes = {
        code: np.bincount(clusters[:NUM_OLD][codes[:NUM_OLD] == code]).argmax()
        for code in np.unique(codes[:NUM_OLD])
    }
    found = [homes.get(code) == own for code, own in zip(codes[NUM_OLD:], clusters[NUM_OLD:], strict=True)]
    assert np.mean(found) > 0.6


def test_the_order_of_the_catalogue_changes_no_id(begun: Begun):
    """A training set in another order names the same items: each is found in the table by its id, not its row."""
    backwards = _extend(begun, np.arange(160)[::-1])
    assert backwards.table.holds(_extend(begun, np.arange(160)).table)


def test_without_new_items_the_table_is_the_same(begun: Begun):
    vectors, present = begun.catalogue.part(slice(0, NUM_OLD))
    args = (begun.item_ids[:NUM_OLD], vectors, present, begun.old_edges, begun.catalogue.num_users)
    extended = extend_table(begun.known, begun.fitted.tokenizer, *args)
    assert (extended.num_new, extended.table.digest) == (0, begun.known.digest)
