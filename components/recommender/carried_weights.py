"""Weights of an arm laid out for a network of the same shape over a later vocabulary: where a warm start begins.

Every weight is carried over: an item's own vector by item id, a code's by code, the rest as it is. What the earlier
arm did not have begins where `with_ids` leaves it: a new item is its codes alone, a new collision token is the last
one that was learned (of TIGER's embedding, the last one that there is). So before its first step the network gives the
lists of the earlier arm.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from components.recommender.codes.vocabulary import Vocabulary
from components.recommender.networks.item_embedding import grown_free_vectors

_OF_ITEMS = ("free", "settled", "settled_share", "projected")  # weights with a row an item


class CannotBeginThere(ValueError):
    """The weights do not fit the arm that is to be trained; `unfit` tells beforehand."""


class TrainedBefore(Protocol):
    """An arm whose weights a training may begin at."""

    @property
    def vocabulary(self) -> Vocabulary: ...
    @property
    def network(self) -> Any: ...


def carried_over(before: TrainedBefore, vocabulary: Vocabulary, network: nn.Module) -> dict[str, Tensor]:
    """The weights of `before`, laid out for `network`, which is of the same shape over another vocabulary.

    Raises CannotBeginThere where a known item has other codes, or a weight another shape.
    """
    known = before.vocabulary
    weights: dict[str, Tensor] = dict(before.network.state_dict())
    rows = _rows_before(known, vocabulary)
    for name in [name for name in weights if name.split(".")[-1] in _OF_ITEMS]:
        weights = grown_free_vectors(weights, name, rows)
    for name in [name for name in weights if name.split(".")[-1] == "tables" and known.num_codes]:
        weights[name] = _with_last_learned(weights[name], known)
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    growth = sum(vocabulary.num_codes[-1:]) - sum(known.num_codes[-1:])
    for name, shape in wanted.items():
        if name in weights and len(shape) and shape[0] - len(weights[name]) == growth > 0:
            # the last level's rows stand last, in tables, heads and tokens alike
            weights[name] = torch.cat([weights[name], weights[name][-1:].expand(growth, *shape[1:])])
    if misfit := [name for name in wanted.keys() | weights if wanted.get(name) != _shape(weights.get(name))]:
        name = min(misfit)
        raise CannotBeginThere(
            f"weight {name} is {_told(_shape(weights.get(name)))} there and {_told(wanted.get(name))} here: "
            "train with --cold-start"
        )
    return {name: tensor.clone() for name, tensor in weights.items()}


def _rows_before(known: Vocabulary, vocabulary: Vocabulary) -> Int[np.ndarray, "item"]:
    """Where each item stood, -1 for a new one."""
    place = {item: row for row, item in enumerate(known.item_ids)}
    rows = np.array([place.get(item, -1) for item in vocabulary.item_ids], dtype=np.int64)
    is_known = rows >= 0
    levels = known.codes.shape[1], vocabulary.codes.shape[1]
    if levels[0] != levels[1]:
        raise CannotBeginThere(f"codes had {levels[0]} levels, and have {levels[1]}: train with --cold-start")
    if known.content_space != vocabulary.content_space:
        raise CannotBeginThere(
            f"content was of the encoders {known.content_space!r}, and is of {vocabulary.content_space!r}: train with "
            "--cold-start"
        )
    if (changed := (known.codes[rows[is_known]] != vocabulary.codes[is_known]).any(axis=1)).any():
        item = vocabulary.item_ids[is_known][changed][0]
        raise CannotBeginThere(f"item {item!r} had other codes: train with --cold-start")
    return rows


def _with_last_learned(tables: Tensor, known: Vocabulary) -> Tensor:
    """Code vectors in which a collision token that no trained item had is the highest that one had."""
    first = sum(known.num_codes[:-1])
    learned = first + int(known.codes[known.is_trained, -1].max(initial=0))
    tables = tables.clone()
    tables[learned + 1 :] = tables[learned]
    return tables


def _shape(tensor: Tensor | None) -> torch.Size | None:
    return None if tensor is None else tensor.shape


def _told(shape: torch.Size | None) -> str:
    return "missing" if shape is None else "x".join(map(str, shape)) or "a number"
