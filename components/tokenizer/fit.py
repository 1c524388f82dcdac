"""Fit a tokenizer in stages: collaborative factors, graph encoder, latent space, codebooks, codes, health."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from components.compute import ON_CPU, Compute
from components.tokenizer.agreement import Categories, check_categories
from components.tokenizer.autoencoder import Autoencoder
from components.tokenizer.coding import give_codes, latent_space
from components.tokenizer.config import TokenizerConfig
from components.tokenizer.factors import Evidence, TasteSpace, fit_taste_space
from components.tokenizer.graph import Graph
from components.tokenizer.graph_encoder import GraphEncoder, embed_items, train_graph_encoder
from components.tokenizer.health import Health, measure_health
from components.tokenizer.modalities import (
    Present,
    Standard,
    TokenizerInputError,
    Vectors,
    check_edges,
    check_modalities,
    fit_standards,
    standardize,
)
from components.tokenizer.reproducible import reproducible
from components.tokenizer.tokenizer import Tokenizer, item_vectors

OnStep = Callable[[str, int, int, float], None]  # stage (graph, quantizer), step from 0, steps, loss


@dataclass(frozen=True, kw_only=True)
class Fitted:
    tokenizer: Tokenizer
    codes: Int[np.ndarray, "item level"]  # of the items of the fit, coarse first
    health: Health
    graph_losses: Float[np.ndarray, "graph_step"]
    quantizer_losses: Float[
        np.ndarray, "step"
    ]  # empty where principal components are cut, and nothing is trained


def fit_tokenizer(
    vectors: Vectors,
    present: Present,
    edges: Int[np.ndarray, "2 edge"],
    num_users: int,
    config: TokenizerConfig,
    on_step: OnStep | None = None,
    *,
    categories: Categories | None = None,
    compute: Compute = ON_CPU,
) -> Fitted:
    """Learn semantic IDs of a catalogue from its modalities and the user-item graph (row 0 user, row 1 item).

    The same input and config give the same codes, on any number of threads. An item without a vector is
    placed by its edges, one without edges by its content, and items with neither share one place. A catalogue
    smaller than the codebook uses a code an item; the rest of the codebook lies where nothing is nearest.
    `categories` are read for the health figures alone and change no code.

    `compute` is what graph encoder and autoencoder are trained on (`compile` is not asked: they are small). The
    decompositions, the k-means and the frozen tokenizer stay on the CPU in float32, so a tokenizer that was
    fitted anywhere gives its IDs everywhere; another device or precision rounds the training otherwise, and its
    IDs are those of another fit.

    Raises TokenizerInputError for input that does not fit together, TrainingDiverged for a loss that is not
    a number, DeviceUnavailable. Does not judge its own health: `check_health` does.
    """
    edges = _checked(vectors, present, edges, num_users, categories)
    heard = _Heard(on_step)
    standards = fit_standards(vectors, present)
    content, bits = standardize(vectors, present, standards)
    # inside, weights and batches are drawn from one seed: the order of the steps is part of the IDs
    with reproducible(config.seed) as generator:
        graph = Graph.of(edges, num_users, len(content))
        placed = _place_items(content, bits, graph, config, generator, heard, compute)
        quantizer_step = heard.of("quantizer", config.steps)
        space = latent_space(placed.vectors, config, generator, quantizer_step, compute)
        coded = give_codes(space, placed.vectors, config, generator)
        health = measure_health(
            coded.codes.numpy(),
            coded.nearest.numpy(),
            reachable=coded.reachable,
            num_moved=coded.num_moved,
            unexplained=_unexplained(placed.vectors, coded.decoded),
            edges=edges,
            categories=categories,
            seed=config.seed,
        )
    return Fitted(
        tokenizer=_frozen(config, standards, placed, space.autoencoder, coded.codebooks),
        codes=coded.codes.numpy(),
        health=health,
        graph_losses=np.array(heard.losses["graph"]),
        quantizer_losses=np.array(heard.losses["quantizer"]),
    )


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """Where the graph encoder puts the items."""

    encoder: GraphEncoder
    space: TasteSpace
    evidence: Evidence
    centre: Float[Tensor, "dim"]  # mean embedding
    vectors: Float[Tensor, "item both"]  # what is quantized, as `item_vectors` makes it


class _Heard:
    """The losses of both trainings, each told to `on_step` as well."""

    def __init__(self, on_step: OnStep | None) -> None:
        self.losses: dict[str, list[float]] = {"graph": [], "quantizer": []}
        self._on_step = on_step

    def of(self, stage: str, steps: int) -> Callable[[int, float], None]:
        def step_done(step: int, loss: float) -> None:
            self.losses[stage].append(loss)
            if self._on_step is not None:
                self._on_step(stage, step, steps, loss)

        return step_done


def _checked(
    vectors: Vectors,
    present: Present,
    edges: Int[np.ndarray, "2 edge"],
    num_users: int,
    categories: Categories | None,
) -> Int[np.ndarray, "2 edge"]:
    """The distinct edges of an input that fits together. Raises TokenizerInputError."""
    num_items = check_modalities(vectors, present)
    if not num_items:
        raise TokenizerInputError("there are no items to fit a tokenizer on; the training snapshot is empty")
    distinct = check_edges(edges, num_items, num_users)
    if categories is not None:
        check_categories(categories, num_items)
    return distinct


def _place_items(
    content: Float[Tensor, "item content"],
    bits: Float[Tensor, "item modality"],
    graph: Graph,
    config: TokenizerConfig,
    generator: torch.Generator,
    heard: _Heard,
    compute: Compute,
) -> _Placed:
    """Find taste space, train the graph encoder from there, and embed every item."""
    inputs = torch.cat([content, bits], dim=1)
    space, evidence = fit_taste_space(
        graph, inputs, config.graph.factor_dim, config.graph.factor_smoothing, generator
    )
    encoder = GraphEncoder(inputs.shape[1], config.graph)
    on_step = heard.of("graph", config.graph.steps)
    train_graph_encoder(encoder, inputs, space, evidence, graph, config.graph, generator, on_step, compute)
    z = embed_items(encoder, inputs, space, evidence, graph)
    # directions are told around the mean: what all items have in common tells none of them from another
    centre = z.mean(dim=0)
    return _Placed(
        encoder=encoder,
        space=space,
        evidence=evidence,
        centre=centre,
        vectors=item_vectors(z, centre, content, config.content_weight),
    )


def _frozen(
    config: TokenizerConfig,
    standards: Mapping[str, Standard],
    placed: _Placed,
    autoencoder: Autoencoder,
    codebooks: Float[Tensor, "level code latent"],
) -> Tokenizer:
    return Tokenizer(
        config=config,
        standards=standards,
        encoder=placed.encoder.eval(),
        centre=placed.centre,
        autoencoder=autoencoder.eval(),
        codebooks=codebooks,
        space=placed.space,
        factors=placed.evidence.factors,
        confidence=placed.evidence.confidence,
    )


def _unexplained(x: Tensor, decoded: Tensor) -> float:
    """Share of the variance of item vectors that their codes leave; 1 is what the mean of all items leaves."""
    variance = (x - x.mean(dim=0)).square().sum()
    # items that are all alike have no variance to explain, and 0/0 is no figure
    return float((x - decoded).square().sum() / variance) if variance > 1e-12 else 0.0
