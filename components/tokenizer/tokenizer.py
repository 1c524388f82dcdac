"""The frozen tokenizer: item vectors and, where there are any, edges in; codes out; on disk and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from components.tokenizer.autoencoder import Autoencoder, autoencoder_for, latent_dim
from components.tokenizer.config import TokenizerConfig
from components.tokenizer.factors import Evidence, TasteSpace, fold_in
from components.tokenizer.graph import Graph
from components.tokenizer.graph_encoder import GraphEncoder, embed_items
from components.tokenizer.ids import SemanticIdError, SemanticIds
from components.tokenizer.modalities import (
    Present,
    Standard,
    TokenizerInputError,
    Vectors,
    check_edges,
    check_modalities,
    standardize,
)
from components.tokenizer.quantizer import quantize
from components.tokenizer.reproducible import reproducible

WEIGHTS, DESCRIPTION = "tokenizer.safetensors", "tokenizer.json"


class TokenizerDamaged(Exception):
    """A tokenizer's files are missing, unreadable, or do not fit together."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Items placed by what they are, whoever uses them."""

    codes: Int[np.ndarray, "item level"]
    error: Float[np.ndarray, "item"]  # squared distance in the latent space from what the codes stand for


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    config: TokenizerConfig
    standards: Mapping[str, Standard]  # by modality
    encoder: GraphEncoder
    centre: Float[Tensor, "dim"]  # mean embedding of the fitted items
    autoencoder: Autoencoder
    codebooks: Float[Tensor, "level code latent"]
    space: TasteSpace
    factors: Float[Tensor, "fitted factor"]  # evidence on the items of the fit, in their order
    confidence: Float[Tensor, "fitted"]

    @property
    def num_levels(self) -> int:
        return self.codebooks.shape[0]

    @property
    def codebook_size(self) -> int:
        return self.codebooks.shape[1]

    def table_sizes(self, table: SemanticIds) -> list[int]:
        """How many codes a model must know at each level of this tokenizer's IDs, collision token last.

        The codebook's size whatever the table uses, so that an item that comes later never has a code beyond
        it; and room for at least as many collision tokens again as the table has, 8 at least. Raises
        SemanticIdError for a table of another tokenizer.
        """
        if table.num_levels != self.num_levels:
            raise SemanticIdError(
                f"the table has {table.num_levels} levels, the tokenizer {self.num_levels}; they do not belong "
                "together"
            )
        beyond = np.argwhere(table.codes[:, :-1] >= self.codebook_size)
        if len(beyond):
            row, level = beyond[0]
            raise SemanticIdError(
                f"item {table.item_ids[row]} has code {table.codes[row, level]} at level {level + 1}, the tokenizer's "
                f"codebook has {self.codebook_size}; the table comes from another tokenizer"
            )
        tokens = int(table.codes[:, -1].max(initial=0)) + 1
        return [self.codebook_size] * self.num_levels + [max(8, 2 ** (2 * tokens - 1).bit_length())]

    def assign(
        self,
        vectors: Vectors,
        present: Present,
        edges: Int[np.ndarray, "2 edge"] | None = None,
        num_users: int = 0,
        *,
        fitted_rows: Int[np.ndarray, "item"] | None = None,
    ) -> Int[np.ndarray, "item level"]:
        """Codes of any items, by the frozen weights; the same input gives the same codes.

        Without edges an item is placed by its content alone, whoever stands beside it. With edges (row 0 a
        user index, row 1 an item index of this call; the users need not be those of the fit) it also hears
        from the items that its users share. `fitted_rows` says which items were in the fit, by row there, -1
        for the others: those bring what the fit knew of them, so pass the known catalogue with its edges
        beside the new items to place these best. Given the whole input of the fit that way, the codes are
        those of `Fitted`, but for items that were moved to a free last code.

        Raises TokenizerInputError, as the fit does.
        """
        return self._place(vectors, present, edges, num_users, fitted_rows).codes

    def place(self, vectors: Vectors, present: Present) -> Placement:
        """The codes that `assign` gives without edges, and how far the codewords are from the items."""
        return self._place(vectors, present, None, 0, None)

    def _place(
        self,
        vectors: Vectors,
        present: Present,
        edges: Int[np.ndarray, "2 edge"] | None,
        num_users: int,
        fitted_rows: Int[np.ndarray, "item"] | None,
    ) -> Placement:
        num_items = check_modalities(vectors, present)
        content, bits = standardize(vectors, present, self.standards)
        edges = np.zeros((2, 0), dtype=np.int64) if edges is None else edges
        graph = Graph.of(check_edges(edges, num_items, num_users), num_users, num_items)
        if not num_items:
            return Placement(codes=np.zeros((0, self.num_levels), dtype=np.int64), error=np.zeros(0))
        with reproducible(), torch.no_grad():
            evidence = self._evidence(graph, fitted_rows)
            z = embed_items(self.encoder, torch.cat([content, bits], dim=1), self.space, evidence, graph)
            x = item_vectors(z, self.centre, content, self.config.content_weight)
            found = quantize(self.autoencoder.encode(x), self.codebooks)
            return Placement(codes=found.codes.numpy(), error=(found.residual**2).sum(dim=1).double().numpy())

    def _evidence(self, graph: Graph, fitted_rows: np.ndarray | None) -> Evidence:
        """What the fit knew of its items, and what their users tell of the others."""
        rows = np.full(graph.num_items, -1) if fitted_rows is None else fitted_rows
        place = torch.from_numpy(self._checked_rows(rows, graph.num_items))
        is_known = place >= 0
        known = Evidence(
            factors=torch.where(is_known.unsqueeze(1), self.factors[place.clamp_min(0)], 0.0),
            confidence=torch.where(is_known, self.confidence[place.clamp_min(0)], 0.0),
        )
        return fold_in(self.space, graph, known, is_known)

    def _checked_rows(self, fitted_rows: np.ndarray, num_items: int) -> np.ndarray:
        if fitted_rows.shape != (num_items,) or not np.issubdtype(fitted_rows.dtype, np.integer):
            raise TokenizerInputError(
                f"fitted_rows is {fitted_rows.shape} {fitted_rows.dtype}; give int64 [{num_items}], -1 for new items"
            )
        outside = np.flatnonzero((fitted_rows < -1) | (fitted_rows >= len(self.factors)))
        if len(outside):
            raise TokenizerInputError(
                f"fitted_rows[{outside[0]}] is {fitted_rows[outside[0]]}; the fit had {len(self.factors)} items"
            )
        return fitted_rows.astype(np.int64)

    def save(self, folder: Path) -> None:
        """Write `tokenizer.safetensors` and `tokenizer.json` into the folder."""
        tensors = {
            **{f"encoder.{name}": value for name, value in self.encoder.state_dict().items()},
            **{f"autoencoder.{name}": value for name, value in self.autoencoder.state_dict().items()},
            **{f"mean.{name}": standard.mean for name, standard in self.standards.items()},
            **{f"scale.{name}": standard.scale for name, standard in self.standards.items()},
            "centre": self.centre,
            "codebooks": self.codebooks,
            "factors": self.factors,
            "confidence": self.confidence,
            "space.gain": self.space.gain,
            "space.drift": self.space.drift,
            "space.prior": self.space.prior,
        }
        save_file({name: value.contiguous() for name, value in tensors.items()}, folder / WEIGHTS)
        description = {"config": self.config.to_dict(), "modalities": sorted(self.standards)}
        (folder / DESCRIPTION).write_text(json.dumps(description, indent=1, sort_keys=True))


def load_tokenizer(folder: Path) -> Tokenizer:
    """What `save` wrote, giving the same codes. Raises TokenizerDamaged, naming the file."""
    try:
        description = json.loads((folder / DESCRIPTION).read_text())
        tensors = load_file(folder / WEIGHTS)
        config = TokenizerConfig.from_dict(description["config"])
        standards = {
            name: Standard(mean=tensors[f"mean.{name}"], scale=tensors[f"scale.{name}"])
            for name in description["modalities"]
        }
        content_dim = sum(len(standard.mean) for standard in standards.values())
        with reproducible():
            encoder = GraphEncoder(content_dim + len(standards), config.graph)
            codebook_size = tensors["codebooks"].shape[1]
            autoencoder = autoencoder_for(config, config.graph.dim + content_dim, codebook_size)
        _check_shapes(tensors, config, content_dim + len(standards))
        encoder.load_state_dict(_under("encoder.", tensors))
        autoencoder.load_state_dict(_under("autoencoder.", tensors))
        return Tokenizer(
            config=config,
            standards=standards,
            encoder=encoder.eval(),
            centre=tensors["centre"],
            autoencoder=autoencoder.eval(),
            codebooks=tensors["codebooks"],
            space=TasteSpace(
                smoothing=config.graph.factor_smoothing,
                gain=tensors["space.gain"],
                drift=tensors["space.drift"],
                prior=tensors["space.prior"],
            ),
            factors=tensors["factors"],
            confidence=tensors["confidence"],
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise TokenizerDamaged(
            f"{folder}: {DESCRIPTION} and {WEIGHTS} cannot be read as a tokenizer ({error}). Fetch the folder "
            "again from where it was published, or fit a new tokenizer"
        ) from error


def _check_shapes(tensors: Mapping[str, Tensor], config: TokenizerConfig, input_dim: int) -> None:
    """What is not the state of a module, which checks itself. Raises ValueError naming the first that differs."""
    factors = (len(tensors["confidence"]), config.graph.factor_dim)
    size = config.codebook_size or tensors["codebooks"].shape[1]
    expected = {
        "codebooks": (config.num_levels, size, latent_dim(config, size)),
        "centre": (config.graph.dim,),
        "factors": factors,
        "confidence": factors[:1],
        "space.gain": factors[1:],
        "space.drift": factors[1:],
        "space.prior": (input_dim, factors[1]),
    }
    for name, shape in expected.items():
        if tuple(tensors[name].shape) != shape:
            raise ValueError(f"{name} is {tuple(tensors[name].shape)}, the description asks for {shape}")


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def item_vectors(
    z: Float[Tensor, "item dim"],
    centre: Float[Tensor, "dim"],
    content: Float[Tensor, "item content"],
    weight: float,
) -> Float[Tensor, "item both"]:
    """What is quantized: the direction of an item's embedding, and that of its content at length `weight`.

    Directions, because lengths grow with popularity and would make it the first thing that codes tell.
    """
    return torch.cat([_unit(z - centre), weight * _unit(content)], dim=1)


def _unit(x: Float[Tensor, "item dim"]) -> Float[Tensor, "item dim"]:
    """Rows of length 1; a row of zeros stays zero."""
    return x / x.norm(dim=1, keepdim=True).clamp_min(1e-12)
