"""The tokenizer as a whole: codes that mean something, the same codes every time, and odd input."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from components.compute import Compute, DeviceUnavailable
from components.divergence import TrainingDiverged
from components.tokenizer.config import Kind, quick
from components.tokenizer.fit import Fitted, fit_tokenizer
from components.tokenizer.health import HealthLimits, check_health
from components.tokenizer.modalities import TokenizerInputError
from tests.tokenizer.planted import Catalogue, planted_catalogue

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return planted_catalogue()


@pytest.fixture(scope="module")
def fitted(catalogue: Catalogue) -> Fitted:
    return fit_tokenizer(*catalogue.inputs, quick())


def _purity(codes: np.ndarray, clusters: np.ndarray) -> float:
    """Share of items whose cluster is the commonest of their code."""
    return sum(np.bincount(clusters[codes == code]).max() for code in np.unique(codes)) / len(codes)


@pytest.mark.parametrize(
    "preset", [quick(), replace(quick(), kind="residual_kmeans")], ids=["rqvae", "kmeans"]
)
def test_the_first_code_follows_planted_clusters(catalogue, preset):
    codes = fit_tokenizer(*catalogue.inputs, preset).codes[:, 0]
    rng = np.random.default_rng(0)
    chance = [_purity(rng.permutation(codes), catalogue.clusters) for _ in range(50)]
    assert _purity(codes, catalogue.clusters) > 0.9
    assert max(chance) < 0.5


def test_codes_carry_the_graph_where_content_says_nothing(catalogue):
    """Vectors replaced by noise: what is left of the clusters came over the edges."""
    noise = np.random.default_rng(1).normal(size=(160, 4)).astype(np.float32)
    fitted = fit_tokenizer(
        {"noise": noise}, {"noise": np.ones(160, dtype=bool)}, catalogue.edges, catalogue.num_users, quick()
    )
    assert _purity(fitted.codes[:, 0], catalogue.clusters) > 0.7
    first, both = fitted.health.co_interaction
    assert first.lift > 2
    assert first.z > 5
    assert both.lift > first.lift


@pytest.mark.parametrize("names", [["text"], ["image"], ["text", "image"], ["image", "text", "audio"]])
def test_any_subset_of_modalities_gives_codes_that_follow_the_clusters(catalogue, names):
    """Images miss a fifth of their items, sound all: a masked vector may hold anything, and changes no code."""
    vectors = {**catalogue.vectors, "audio": np.zeros((160, 4), dtype=np.float32)}
    present = {**catalogue.present, "audio": np.zeros(160, dtype=bool)}
    spoiled = {
        name: np.where(present[name][:, None], block, np.float32(np.nan)) for name, block in vectors.items()
    }
    graph = (catalogue.edges, catalogue.num_users)
    masks = {name: present[name] for name in names}
    fitted = fit_tokenizer({name: vectors[name] for name in names}, masks, *graph, quick())
    again = fit_tokenizer({name: spoiled[name] for name in names}, masks, *graph, quick())
    assert sorted(fitted.tokenizer.standards) == sorted(names)
    assert (fitted.codes == again.codes).all()
    assert _purity(fitted.codes[:, 0], catalogue.clusters) > 0.8


def test_categories_are_read_for_health_alone(catalogue, fitted):
    """The planted clusters as categories: the first code tells them, and no code changes for it."""
    clusters = [[str(cluster)] for cluster in catalogue.clusters]
    told = fit_tokenizer(*catalogue.inputs, quick(), categories=clusters)
    assert (told.codes == fitted.codes).all()
    assert fitted.health.category == ()
    assert told.health.category[0].found > 0.8
    assert told.health.category[0].lift > 4
    assert told.health.category[0].z > 20
    with pytest.raises(TokenizerInputError, match="categories are given for 159 items, there are 160"):
        fit_tokenizer(*catalogue.inputs, quick(), categories=clusters[1:])


def test_what_spreading_did_is_told_beside_what_would_have_been(catalogue, fitted):
    """Without spreading nothing moves, and the collisions are those that the other fit would have had."""
    plain = fit_tokenizer(*catalogue.inputs, replace(quick(), spread_collisions=False)).health
    assert plain.moved == 0.0
    assert plain.collisions == plain.collisions_unspread == fitted.health.collisions_unspread
    assert fitted.health.collisions_unspread >= fitted.health.moved > fitted.health.collisions


def test_health_of_a_good_fit(fitted):
    health = fitted.health
    assert min(health.usage) > 0.9
    assert min(health.perplexity) > 0.7
    assert health.collisions == 0.0
    assert len(np.unique(fitted.codes, axis=0)) == len(fitted.codes)
    assert health.reconstruction_error < 1.0, "codes explain more than the mean does"
    assert set(health.metrics()) >= {"usage_1", "perplexity_3", "collisions", "reconstruction_error"}


def test_pinned_curves(fitted):
    """One thread, fixed seed, as `reproducible` sets them; another machine may round the last digits otherwise."""
    np.testing.assert_allclose(fitted.graph_losses[[0, 9, 19]], PINNED_GRAPH, rtol=2e-2)
    np.testing.assert_allclose(fitted.quantizer_losses[[0, 20, 59]], PINNED_QUANTIZER, rtol=5e-2)


PINNED_GRAPH = [0.36186, 0.44595, 0.45232]
PINNED_QUANTIZER = [2.23662, 1.27787, 1.13087]


def test_on_step_hears_every_step_of_both_stages(catalogue):
    heard = []
    fitted = fit_tokenizer(*catalogue.inputs, quick(), on_step=lambda *step: heard.append(step))
    config = quick()
    expected = [("graph", step, config.graph.steps) for step in range(config.graph.steps)]
    expected += [("quantizer", step, config.steps) for step in range(config.steps)]
    assert [step[:3] for step in heard] == expected
    assert [step[3] for step in heard] == [*fitted.graph_losses, *fitted.quantizer_losses]


def test_bf16_learns_what_fp32_learns(catalogue, fitted):
    """Both stages start at the same loss and end at about the same; codes follow the clusters as well."""
    rounded = fit_tokenizer(*catalogue.inputs, quick(), compute=Compute(precision="bf16"))
    for here, there in (
        (fitted.graph_losses, rounded.graph_losses),
        (fitted.quantizer_losses, rounded.quantizer_losses),
    ):
        assert (here != there).any()
        assert there[0] == pytest.approx(here[0], rel=0.05)
        assert there[-10:].mean() == pytest.approx(here[-10:].mean(), rel=0.1)
    assert _purity(rounded.codes[:, 0], catalogue.clusters) > 0.9
    tensors = [*rounded.tokenizer.encoder.parameters(), *rounded.tokenizer.autoencoder.parameters()]
    tensors.append(rounded.tokenizer.codebooks)
    assert {tensor.dtype for tensor in tensors} == {torch.float32}
    again = fit_tokenizer(*catalogue.inputs, quick(), compute=Compute(precision="bf16"))
    assert (again.codes == rounded.codes).all()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA GPU is here")
def test_a_missing_gpu_is_said(catalogue):
    with pytest.raises(DeviceUnavailable, match="sees no CUDA GPU here: set RECLOOP_DEVICE=cpu"):
        fit_tokenizer(*catalogue.inputs, quick(), compute=Compute(device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_a_gpu_agrees_with_the_cpu(catalogue, fitted):
    there = fit_tokenizer(*catalogue.inputs, quick(), compute=Compute(device="cuda"))
    np.testing.assert_allclose(there.graph_losses, fitted.graph_losses, rtol=1e-3)
    np.testing.assert_allclose(there.quantizer_losses[:20], fitted.quantizer_losses[:20], rtol=1e-2)


_FIT_ALONE = """
import sys, torch
torch.set_num_threads(int(sys.argv[1]))
torch.set_float32_matmul_precision(sys.argv[2])
torch.manual_seed(int(sys.argv[1]))
from components.tokenizer.config import quick
from components.tokenizer.fit import fit_tokenizer
from tests.tokenizer.planted import planted_catalogue
print(fit_tokenizer(*planted_catalogue().inputs, quick()).codes.tolist())
"""


def test_same_input_same_codes_in_another_process_with_other_threads_and_precision(fitted):
    run = subprocess.run(
        [sys.executable, "-c", _FIT_ALONE, "2", "medium"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.strip() == str(fitted.codes.tolist())


def test_same_input_same_codes_again_and_nothing_of_the_process_is_changed(catalogue, fitted):
    torch.manual_seed(3)
    torch.set_float32_matmul_precision("medium")
    before = (torch.get_rng_state(), torch.get_num_threads())
    try:
        again = fit_tokenizer(*catalogue.inputs, quick())
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert (again.codes == fitted.codes).all()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
    other = fit_tokenizer(*catalogue.inputs, replace(quick(), seed=1))
    assert (other.codes != fitted.codes).any()


def test_repeated_and_shuffled_edges_are_the_same_graph(catalogue, fitted):
    rng = np.random.default_rng(0)
    edges = np.concatenate([catalogue.edges, catalogue.edges[:, :50]], axis=1)
    edges = edges[:, rng.permutation(edges.shape[1])]
    again = fit_tokenizer(catalogue.vectors, catalogue.present, edges, catalogue.num_users, quick())
    assert (again.codes == fitted.codes).all()


@pytest.mark.parametrize("num_items", [1, 2, 20])
@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_catalogue_smaller_than_the_codebook(num_items, kind):
    """Items keep IDs of their own; the spare codes exist and are nobody's."""
    small = planted_catalogue(num_items=num_items, num_clusters=min(num_items, 2), num_users=4)
    fitted = fit_tokenizer(*small.inputs, replace(quick(), codebook_size=32, kind=kind))
    assert fitted.codes.shape == (num_items, 3)
    assert fitted.tokenizer.codebook_size == 32
    assert len(np.unique(fitted.codes, axis=0)) == num_items
    if kind != "fsq":  # whose grid is there, whoever fills it
        assert fitted.codes[:, 0].max() < num_items
        assert fitted.health.usage[0] > 0.8
    assert torch.isfinite(fitted.tokenizer.codebooks).all()


def test_items_without_anything_share_one_place(catalogue):
    """Rows 0-2 have no vector and no event; they are told apart by the last code only."""
    present = {name: mask.copy() for name, mask in catalogue.present.items()}
    for mask in present.values():
        mask[:3] = False
    edges = catalogue.edges[:, catalogue.edges[1] > 2]
    codes = fit_tokenizer(catalogue.vectors, present, edges, catalogue.num_users, quick()).codes
    assert (codes[:3, :2] == codes[0, :2]).all()
    assert len(np.unique(codes[:3, 2])) == 3


@pytest.mark.parametrize("users", [0, 1])
def test_no_edges_or_one_user(catalogue, users):
    edges = np.array([[0] * 5, list(range(5))])[:, : 5 * users]
    fitted = fit_tokenizer(catalogue.vectors, catalogue.present, edges, users, quick())
    assert _purity(fitted.codes[:, 0], catalogue.clusters) > 0.5
    assert (len(fitted.graph_losses) > 0) == (users == 1)


def test_a_catalogue_without_any_vector_is_told_apart_by_its_edges(catalogue):
    """Every mask is False: what is left of the clusters came over the edges, with or without a modality's width."""
    nobody = {name: np.zeros_like(mask) for name, mask in catalogue.present.items()}
    fitted = fit_tokenizer(catalogue.vectors, nobody, catalogue.edges, catalogue.num_users, quick())
    assert _purity(fitted.codes[:, 0], catalogue.clusters) > 0.7
    with pytest.raises(TokenizerInputError, match=r"vectors hold \[\].* give at least one modality"):
        fit_tokenizer({}, {}, catalogue.edges, catalogue.num_users, quick())


@pytest.mark.parametrize("kind", get_args(Kind))
def test_one_item_without_anything(kind):
    """Nothing to learn from and nothing to tell apart: one ID, finite figures, and the gate lets it pass."""
    vectors, present = {"text": np.zeros((1, 3), dtype=np.float32)}, {"text": np.zeros(1, dtype=bool)}
    fitted = fit_tokenizer(vectors, present, np.zeros((2, 0), dtype=np.int64), 0, replace(quick(), kind=kind))
    assert fitted.codes.shape == (1, 3)
    assert np.isfinite(list(fitted.health.metrics().values())).all()
    check_health(fitted.health, HealthLimits())


def test_users_of_one_event_and_of_a_hundred_thousand(catalogue, fitted):
    """Repeats count once, so a user of 100,000 events on 160 items is a user of 160; one of a single event adds
    no pair. The fit stays sane, and the codes are those of the distinct edges."""
    rng = np.random.default_rng(0)
    crowd = np.stack([np.full(100_000, catalogue.num_users), rng.integers(160, size=100_000)])
    single = np.array([[catalogue.num_users + 1], [7]])
    edges = np.concatenate([catalogue.edges, crowd, single], axis=1)
    busy = fit_tokenizer(catalogue.vectors, catalogue.present, edges, catalogue.num_users + 2, quick())
    once = np.concatenate([catalogue.edges, np.unique(crowd, axis=1), single], axis=1)
    again = fit_tokenizer(catalogue.vectors, catalogue.present, once, catalogue.num_users + 2, quick())
    assert (busy.codes == again.codes).all()
    assert _purity(busy.codes[:, 0], catalogue.clusters) > 0.9
    check_health(busy.health, HealthLimits())


def test_only_users_of_one_event(catalogue):
    """No two items share a user: nothing to agree on, and the content carries the codes."""
    edges = np.stack([np.arange(160), np.arange(160)])
    fitted = fit_tokenizer(catalogue.vectors, catalogue.present, edges, 160, quick())
    assert fitted.health.co_interaction[0].num_items == 0
    assert _purity(fitted.codes[:, 0], catalogue.clusters) > 0.5


def test_identical_items_without_spreading_collide(catalogue):
    same = {"text": np.ones((40, 3), dtype=np.float32)}
    config = replace(quick(), spread_collisions=False)
    none = np.zeros((2, 0), dtype=np.int64)
    fitted = fit_tokenizer(same, {"text": np.ones(40, dtype=bool)}, none, 0, config)
    assert fitted.health.collisions == 1.0
    assert fitted.health.largest_collision == 40


def test_an_empty_catalogue_and_bad_input_are_refused(catalogue):
    empty = {"text": np.zeros((0, 3), dtype=np.float32)}
    with pytest.raises(TokenizerInputError, match="no items"):
        fit_tokenizer(empty, {"text": np.zeros(0, dtype=bool)}, np.zeros((2, 0), dtype=np.int64), 0, quick())
    with pytest.raises(TokenizerInputError, match="names item 160, but there are 160 items"):
        fit_tokenizer(catalogue.vectors, catalogue.present, np.array([[0], [160]]), 1, quick())


def test_a_loss_that_is_no_number_stops_the_run(catalogue):
    wild = replace(quick(), graph=replace(quick().graph, learning_rate=1e30))
    with pytest.raises(TrainingDiverged, match=r"graph: the loss is .* pass a lower learning rate"):
        fit_tokenizer(*catalogue.inputs, wild)


def test_a_quantizer_loss_that_is_no_number_stops_the_run(catalogue):
    wild = replace(quick(), learning_rate=1e30)
    with pytest.raises(
        TrainingDiverged, match=r"quantizer: the loss is .* at step \d+; pass a lower learning"
    ):
        fit_tokenizer(*catalogue.inputs, wild)


def test_vectors_of_extreme_size_end_in_finite_codes_or_a_named_stop(catalogue):
    """Standardizing brings 1e30 back to 1; its square overflows float32, and the mean is taken in float64."""
    huge = {name: block.astype(np.float64) * 1e30 for name, block in catalogue.vectors.items()}
    fitted = fit_tokenizer(huge, catalogue.present, catalogue.edges, catalogue.num_users, quick())
    assert np.isfinite(list(fitted.health.metrics().values())).all()
    assert _purity(fitted.codes[:, 0], catalogue.clusters) > 0.9
