"""The frozen tokenizer: the same codes after reload, and a place for items that the fit never saw."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from components.tokenizer.config import quick
from components.tokenizer.fit import Fitted, fit_tokenizer
from components.tokenizer.ids import SemanticIdError, SemanticIds, append, with_collision_tokens
from components.tokenizer.modalities import TokenizerInputError
from components.tokenizer.tokenizer import DESCRIPTION, WEIGHTS, TokenizerDamaged, load_tokenizer
from tests.tokenizer.planted import Catalogue, planted_catalogue

NEW = slice(120, 160)  # the last items of the catalogue, kept from the fit


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return planted_catalogue()


@pytest.fixture(scope="module")
def fitted(catalogue: Catalogue) -> Fitted:
    old = catalogue.edges[:, catalogue.edges[1] < NEW.start]
    return fit_tokenizer(*catalogue.part(slice(0, NEW.start)), old, catalogue.num_users, quick())


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
        *catalogue.part(slice(0, NEW.start)), old, catalogue.num_users, fitted_rows=np.arange(NEW.start)
    )
    assert (codes[:, :-1] == fitted.codes[:, :-1]).all()
    changed = (codes[:, -1] != fitted.codes[:, -1]).mean()
    assert changed == pytest.approx(fitted.health.moved)


def test_a_new_item_is_placed_by_its_content_alone(catalogue, fitted):
    codes = fitted.tokenizer.assign(*catalogue.part(NEW))
    assert _cluster_agreement(codes, fitted, catalogue.clusters) > 0.6  # 1/8 by chance


def test_edges_help_where_a_new_item_has_no_vector(catalogue, fitted):
    """Without content or edges all new items are one; over their users' known items they find their cluster."""
    vectors, present = catalogue.part(slice(0, NEW.stop))
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
    together = fitted.tokenizer.assign(*catalogue.part(NEW))
    apart = [
        fitted.tokenizer.assign(*catalogue.part(slice(row, row + 1)))[0] for row in range(NEW.start, NEW.stop)
    ]
    assert (together == np.array(apart)).all()


def test_no_items_no_codes(catalogue, fitted):
    assert fitted.tokenizer.assign(*catalogue.part(slice(0, 0))).shape == (0, 3)


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
    ("tensor", "message"),
    [
        ("codebooks", r"codebooks is \(2, 16, 8\), the description asks for \(3, 16, 8\)"),
        ("centre", r"centre is \(15,\), the description asks for \(16,\)"),
        ("confidence", r"factors is \(120, 8\), the description asks for \(119, 8\)"),
        ("space.prior", r"space.prior is \(19, 8\), the description asks for \(20, 8\)"),
    ],
)
def test_a_checkpoint_of_another_shape_is_refused_by_name(fitted, tmp_path, tensor, message):
    """One row less than the description asks for: 3 levels, 16 wide, 120 items, 12 + 6 content and 2 bits."""
    fitted.tokenizer.save(tmp_path)
    tensors = load_file(tmp_path / WEIGHTS)
    save_file(tensors | {tensor: tensors[tensor][:-1].clone()}, tmp_path / WEIGHTS)
    with pytest.raises(TokenizerDamaged, match=message):
        load_tokenizer(tmp_path)


def test_a_checkpoint_of_another_version_is_refused(fitted, tmp_path):
    fitted.tokenizer.save(tmp_path)
    description = json.loads((tmp_path / DESCRIPTION).read_text())
    description["config"]["colour"] = "red"
    (tmp_path / DESCRIPTION).write_text(json.dumps(description))
    with pytest.raises(TokenizerDamaged, match=r"colour.* fit a new tokenizer"):
        load_tokenizer(tmp_path)


def test_items_without_any_modality_are_all_one_to_a_frozen_tokenizer(catalogue, fitted):
    vectors, present = catalogue.part(NEW)
    codes = fitted.tokenizer.assign(vectors, {name: np.zeros_like(mask) for name, mask in present.items()})
    assert len(np.unique(codes, axis=0)) == 1
    with pytest.raises(TokenizerInputError, match="give at least one modality"):
        fitted.tokenizer.assign({}, {})
    with pytest.raises(TokenizerInputError, match=r"fitted on \{'image': 6, 'text': 12\}"):
        fitted.tokenizer.assign({"text": vectors["text"]}, {"text": present["text"]})


def test_what_cannot_be_assigned_is_refused_by_name(catalogue, fitted):
    vectors, present = catalogue.part(NEW)
    spoiled = {**vectors, "text": vectors["text"].copy()}
    spoiled["text"][3] = np.inf
    with pytest.raises(TokenizerInputError, match=r"modality text: 1 of 40 vectors .* row 3"):
        fitted.tokenizer.assign(spoiled, present)
    with pytest.raises(TokenizerInputError, match="names item 40, but there are 40 items"):
        fitted.tokenizer.assign(vectors, present, np.array([[0], [40]]), 1)


def _table(codes: np.ndarray) -> SemanticIds:
    names = np.array([f"i{row}" for row in range(len(codes))], dtype=object)
    return with_collision_tokens(names, codes, np.zeros(len(codes), dtype=np.int64))


def test_table_sizes_hold_any_code_that_may_come(catalogue, fitted):
    """3 levels of 16, whatever is in use; 1 to 4 tokens get 8 places, 5 get 16."""
    tokenizer = fitted.tokenizer
    for in_collision, tokens in ((1, 8), (4, 8), (5, 16)):
        table = _table(np.zeros((in_collision, 3), dtype=np.int64))
        assert tokenizer.table_sizes(table) == [16, 16, 16, tokens]
    table = _table(fitted.codes)
    names = np.array([f"new{row}" for row in range(40)], dtype=object)
    longer = append(table, names, tokenizer.assign(*catalogue.part(NEW)))
    assert (longer.codes < np.array(tokenizer.table_sizes(table))).all()


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[1, 2]], "the table has 2 levels, the tokenizer 3"),
        ([[1, 2, 3], [1, 16, 3]], "item i1 has code 16 at level 2, the tokenizer's codebook has 16"),
    ],
)
def test_a_table_of_another_tokenizer_has_no_sizes(fitted, codes, message):
    with pytest.raises(SemanticIdError, match=message):
        fitted.tokenizer.table_sizes(_table(np.array(codes)))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.array([0]), r"fitted_rows is \(1,\)"),
        (np.zeros(40), "float64"),
        (np.full(40, 120), r"fitted_rows\[0\] is 120; the fit had 120 items"),
    ],
)
@pytest.mark.wrong_shapes
def test_rows_that_were_not_in_the_fit_are_refused(catalogue, fitted, rows, message):
    with pytest.raises(TokenizerInputError, match=message):
        fitted.tokenizer.assign(*catalogue.part(NEW), fitted_rows=rows)


def test_a_placement_has_the_codes_of_assign_and_the_distance_that_is_left(
    catalogue: Catalogue, fitted: Fitted
):
    """Codewords that all lie farther off leave more."""
    tokenizer, content = fitted.tokenizer, catalogue.part(NEW)
    placed = tokenizer.place(*content)
    assert np.array_equal(placed.codes, tokenizer.assign(*content))
    assert placed.error.shape == (40,)
    assert (placed.error > 0).all()
    farther = replace(tokenizer, codebooks=tokenizer.codebooks + 1.0)
    assert farther.place(*content).error.mean() > 3 * placed.error.mean()
    assert tokenizer.place(*catalogue.part(slice(0, 0))).error.shape == (0,)
