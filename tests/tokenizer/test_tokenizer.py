"""The frozen tokenizer: the same codes after reload, and a place for items that the fit never saw."""

from __future__ import annotations

import json

import numpy as np
import pytest

from components.tokenizer.config import quick
from components.tokenizer.fit import Fitted, fit_tokenizer
from components.tokenizer.modalities import TokenizerInputError
from components.tokenizer.tokenizer import DESCRIPTION, WEIGHTS, TokenizerDamaged, load_tokenizer
from tests.tokenizer.planted import Catalogue, planted_catalogue

NEW = slice(120, 160)  # the last items of the catalogue, kept from the fit


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return planted_catalogue()


def _part(catalogue: Catalogue, rows: slice) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    vectors = {name: block[rows] for name, block in catalogue.vectors.items()}
    return vectors, {name: mask[rows] for name, mask in catalogue.present.items()}


@pytest.fixture(scope="module")
def fitted(catalogue: Catalogue) -> Fitted:
    old = catalogue.edges[:, catalogue.edges[1] < NEW.start]
    return fit_tokenizer(*_part(catalogue, slice(0, NEW.start)), old, catalogue.num_users, quick())


def _cluster_agreement(new: np.ndarray, fitted: Fitted, clusters: np.ndarray) -> float:
    """Share of new items whose first code is, among fitted items, mostly of their own cluster."""
    home = {
        code: np.bincount(clusters[: NEW.start][fitted.codes[:, 0] == code]).argmax()
        for code in np.unique(fitted.codes[:, 0])
    }
    return float(np.mean([home.get(code) == own for code, own in zip(new[:, 0], clusters[NEW], strict=True)]))


def test_known_items_keep_their_codes_but_for_those_that_were_moved(catalogue, fitted):
    old = catalogue.edges[:, catalogue.edges[1] < NEW.start]
    codes = fitted.tokenizer.assign(
        *_part(catalogue, slice(0, NEW.start)), old, catalogue.num_users, fitted_rows=np.arange(NEW.start)
    )
    assert (codes[:, :-1] == fitted.codes[:, :-1]).all()
    changed = (codes[:, -1] != fitted.codes[:, -1]).mean()
    assert changed == pytest.approx(fitted.health.moved)


def test_a_new_item_is_placed_by_its_content_alone(catalogue, fitted):
    codes = fitted.tokenizer.assign(*_part(catalogue, NEW))
    assert _cluster_agreement(codes, fitted, catalogue.clusters) > 0.6  # 1/8 by chance


def test_edges_help_where_a_new_item_has_no_vector(catalogue, fitted):
    """Without content or edges all new items are one; over their users' known items they find their cluster."""
    vectors, present = _part(catalogue, slice(0, NEW.stop))
    for mask in present.values():
        mask[NEW] = False
    blind = fitted.tokenizer.assign(vectors, present)[NEW]
    assert len(np.unique(blind, axis=0)) == 1
    rows = np.where(np.arange(NEW.stop) < NEW.start, np.arange(NEW.stop), -1)
    codes = fitted.tokenizer.assign(vectors, present, catalogue.edges, catalogue.num_users, fitted_rows=rows)[
        NEW
    ]
    assert _cluster_agreement(codes, fitted, catalogue.clusters) > 0.4


def test_by_content_alone_an_item_is_placed_whoever_stands_beside_it(catalogue, fitted):
    together = fitted.tokenizer.assign(*_part(catalogue, NEW))
    apart = [
        fitted.tokenizer.assign(*_part(catalogue, slice(row, row + 1)))[0]
        for row in range(NEW.start, NEW.stop)
    ]
    assert (together == np.array(apart)).all()


def test_no_items_no_codes(catalogue, fitted):
    assert fitted.tokenizer.assign(*_part(catalogue, slice(0, 0))).shape == (0, 3)


def test_reload_gives_identical_codes(catalogue, fitted, tmp_path):
    fitted.tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    inputs = (catalogue.vectors, catalogue.present, catalogue.edges, catalogue.num_users)
    rows = np.where(np.arange(NEW.stop) < NEW.start, np.arange(NEW.stop), -1)
    assert loaded.config == fitted.tokenizer.config
    for kept in (None, rows):
        expected = fitted.tokenizer.assign(*inputs, fitted_rows=kept)
        assert (loaded.assign(*inputs, fitted_rows=kept) == expected).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([WEIGHTS, DESCRIPTION])


def test_saving_twice_writes_the_same_bytes(fitted, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        fitted.tokenizer.save(tmp_path / name)
    for file in (WEIGHTS, DESCRIPTION):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def _halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _wider(path):
    description = json.loads(path.read_text())
    description["config"]["latent_dim"] += 1
    path.write_text(json.dumps(description))


@pytest.mark.parametrize(
    ("file", "spoil"),
    [(WEIGHTS, _halve), (DESCRIPTION, _halve), (DESCRIPTION, _wider), (WEIGHTS, lambda path: path.unlink())],
    ids=["half the weights", "half the description", "weights of another shape", "no weights"],
)
def test_files_that_do_not_fit_are_refused(fitted, tmp_path, file, spoil):
    fitted.tokenizer.save(tmp_path)
    spoil(tmp_path / file)
    with pytest.raises(TokenizerDamaged, match="cannot be read as a tokenizer"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.array([0]), r"fitted_rows is \(1,\)"),
        (np.zeros(40), "float64"),
        (np.full(40, 120), r"fitted_rows\[0\] is 120; the fit had 120 items"),
    ],
)
def test_rows_that_were_not_in_the_fit_are_refused(catalogue, fitted, rows, message):
    with pytest.raises(TokenizerInputError, match=message):
        fitted.tokenizer.assign(*_part(catalogue, NEW), fitted_rows=rows)
