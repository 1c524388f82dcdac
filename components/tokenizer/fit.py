"""Fit a tokenizer in stages: collaborative factors, graph encoder, latent space, codebooks, codes, health."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from components.compute import ON_CPU, Compute
from components.tokenizer.agreement import (
    Categories,
    category_agreement,
    check_categories,
    co_interaction_agreement,
    prefix_labels,
)
from components.tokenizer.collisions import spread_collisions
from components.tokenizer.config import TokenizerConfig, codebook_size_for
from components.tokenizer.factors import fit_taste_space
from components.tokenizer.graph import Graph
from components.tokenizer.graph_encoder import GraphEncoder, embed_items, train_graph_encoder
from components.tokenizer.health import Health, collision_groups, usage_and_perplexity
from components.tokenizer.kmeans import squared_distances
from components.tokenizer.modalities import (
    Present,
    TokenizerInputError,
    Vectors,
    check_edges,
    check_modalities,
    fit_standards,
    standardize,
)
from components.tokenizer.quantizer import codewords, fit_codebooks, quantize
from components.tokenizer.reproducible import reproducible
from components.tokenizer.rqvae import Autoencoder, set_principal_components, train_rqvae
from components.tokenizer.tokenizer import Tokenizer, hidden_dims, item_vectors

OnStep = Callable[[str, int, int, float], None]  # stage (graph, quantizer), step from 0, steps, loss


@dataclass(frozen=True, kw_only=True)
class Fitted:
    tokenizer: Tokenizer
    codes: Int[np.ndarray, "item level"]  # of the items of the fit, coarse first
    health: Health
    graph_losses: Float[np.ndarray, "step"]
    quantizer_losses: Float[np.ndarray, "step"]  # empty for residual_kmeans, which trains nothing there


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
    num_items = check_modalities(vectors, present)
    if not num_items:
        raise TokenizerInputError("there are no items to fit a tokenizer on; the training snapshot is empty")
    edges = check_edges(edges, num_items, num_users)
    if categories is not None:
        check_categories(categories, num_items)
    standards = fit_standards(vectors, present)
    content, bits = standardize(vectors, present, standards)
    losses: dict[str, list[float]] = {"graph": [], "quantizer": []}

    def report(stage: str, steps: int) -> Callable[[int, float], None]:
        def step_done(step: int, loss: float) -> None:
            losses[stage].append(loss)
            if on_step is not None:
                on_step(stage, step, steps, loss)

        return step_done

    with reproducible(config.seed) as generator:
        graph = Graph.of(edges, num_users, num_items)
        inputs = torch.cat([content, bits], dim=1)
        space, evidence = fit_taste_space(
            graph, inputs, config.graph.factor_dim, config.graph.factor_smoothing, generator
        )
        encoder = GraphEncoder(inputs.shape[1], config.graph)
        steps = config.graph.steps
        train_graph_encoder(
            encoder, inputs, space, evidence, graph, config.graph, generator, report("graph", steps), compute
        )
        z = embed_items(encoder, inputs, space, evidence, graph)
        centre = z.mean(dim=0)
        x = item_vectors(z, centre, content, config.content_weight)

        autoencoder = Autoencoder(x.shape[1], hidden_dims(config), config.latent_dim)
        full_size = config.codebook_size or codebook_size_for(num_items)
        size = min(full_size, _distinct_rows(x))
        if config.kind == "graph_rqvae":
            start = train_rqvae(
                autoencoder, x, size, config, generator, report("quantizer", config.steps), compute
            )
        else:
            set_principal_components(autoencoder, x)
            start = None
        with torch.no_grad():
            latent = autoencoder.encode(x)
            if start is None or config.balance > 0:  # settle on the final latent space, evenly
                start = fit_codebooks(
                    latent, start, num_levels=config.num_levels, size=size, balance=config.balance, generator=generator
                )  # fmt: skip
            codebooks = _with_parked_codes(start, latent, full_size)
            codes, moved = _codes_of(latent, codebooks, size, spread=config.spread_collisions)
            decoded = autoencoder.decode(codewords(codes, codebooks).sum(dim=1))
        health = _health(
            codes.numpy(),
            quantize(latent, codebooks).codes.numpy(),
            reachable=_reachable(latent, codebooks, full_size),
            moved=len(moved),
            unexplained=_unexplained(x, decoded),
            edges=edges,
            categories=categories,
            seed=config.seed,
        )

    tokenizer = Tokenizer(
        config=config,
        standards=standards,
        encoder=encoder.eval(),
        centre=centre,
        autoencoder=autoencoder.eval(),
        codebooks=codebooks,
        space=space,
        factors=evidence.factors,
        confidence=evidence.confidence,
    )
    return Fitted(
        tokenizer=tokenizer,
        codes=codes.numpy(),
        health=health,
        graph_losses=np.array(losses["graph"]),
        quantizer_losses=np.array(losses["quantizer"]),
    )


def _codes_of(
    latent: Tensor, codebooks: Tensor, size: int, *, spread: bool
) -> tuple[Int[Tensor, "item level"], Int[np.ndarray, "moved"]]:
    """Nearest codes; with `spread`, items of one tuple on different last codes where there are free ones."""
    found = quantize(latent, codebooks)
    if not spread:
        return found.codes, np.zeros(0, dtype=np.int64)
    last_input = found.residual + codebooks[-1][found.codes[:, -1]]
    distance = squared_distances(last_input, codebooks[-1][:size])
    codes, moved = spread_collisions(found.codes.numpy(), distance.numpy())
    return torch.from_numpy(codes), moved


def _with_parked_codes(
    codebooks: Float[Tensor, "level code dim"], latent: Tensor, full_size: int
) -> Float[Tensor, "level full dim"]:
    """Fill up to the full size with codewords so far out that no item is nearest to them."""
    far = 1e3 * (1 + float(latent.abs().max()))
    parked = torch.full((codebooks.shape[0], full_size - codebooks.shape[1], codebooks.shape[2]), far)
    return torch.cat([codebooks, parked], dim=1)


def _health(
    codes: Int[np.ndarray, "item level"],
    nearest: Int[np.ndarray, "item level"],
    *,
    reachable: list[int],
    moved: int,
    unexplained: float,
    edges: Int[np.ndarray, "2 edge"],
    categories: Categories | None,
    seed: int,
) -> Health:
    """Of the codes that were given, beside those that every item's nearest codes would be."""
    balance = [
        usage_and_perplexity(level, max(most, len(np.unique(level))))
        for level, most in zip(codes.T, reachable, strict=True)
    ]
    groups = collision_groups(codes)
    labels = [prefix_labels(codes, depth) for depth in range(1, min(2, codes.shape[1]) + 1)]
    return Health(
        num_items=len(codes),
        usage=tuple(used for used, _ in balance),
        perplexity=tuple(even for _, even in balance),
        collisions=float((groups > 1).mean()),
        largest_collision=int(groups.max()),
        collisions_unspread=float((collision_groups(nearest) > 1).mean()),
        moved=moved / len(codes),
        reconstruction_error=unexplained,
        co_interaction=tuple(co_interaction_agreement(label, edges, seed=seed) for label in labels),
        category=tuple(
            category_agreement(label, categories, seed=seed) for label in labels if categories is not None
        ),
    )


def _reachable(latent: Tensor, codebooks: Float[Tensor, "level code dim"], full_size: int) -> list[int]:
    """Codes that each level could use: no more than distinct vectors reach it."""
    residual, most = latent, []
    codes = quantize(latent, codebooks).codes
    for level, codebook in enumerate(codebooks):
        most.append(min(full_size, _distinct_rows(residual)))
        residual = residual - codebook[codes[:, level]]
    return most


def _distinct_rows(x: Float[Tensor, "item dim"]) -> int:
    """Rows that differ by more than float32 rounding of vectors of about length 1."""
    return len(torch.unique((x * 1e4).round(), dim=0))


def _unexplained(x: Tensor, decoded: Tensor) -> float:
    variance = (x - x.mean(dim=0)).square().sum()
    return float((x - decoded).square().sum() / variance) if variance > 1e-12 else 0.0
