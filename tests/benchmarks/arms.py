"""What is benchmarked, by name: how an arm is trained, what codes it reads, and how it may be decoded.

To add one: an entry in ARMS. An arm that is trained once and decoded in several ways has several views, each
a row of its own in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np
from jaxtyping import Int

from components.recommender import presets
from components.recommender.arm import Arm
from components.recommender.dense_arm import DenseConfig
from components.recommender.mmgrec import MMGRecArm, MMGRecConfig, train_mmgrec
from components.recommender.popularity import fit_popularity
from components.recommender.sasrec import train_sasrec
from components.recommender.sequences import TrainingSequences

Codes = Int[np.ndarray, "item token"]
Train = Callable[[TrainingSequences, Codes, int], Any]
Config = TypeVar("Config", DenseConfig, MMGRecConfig)
# What a row counts as where targets are checked. `hybrid` finds by tuple and orders by the dense score too.
Role = Literal["simple", "dense", "dense_control", "generative", "hybrid", "random_codes", "paper"]


@dataclass(frozen=True, kw_only=True)
class View:
    """A trained arm as it is ranked, and what it counts as."""

    role: Role
    of: Callable[[Any], Arm] = lambda arm: arm


@dataclass(frozen=True, kw_only=True)
class Benchmarked:
    train: Train
    codes: Literal["none", "semantic", "random"] = "none"
    is_seeded: bool = True  # False: every seed gives the same, so one is enough
    views: Mapping[str, View] = field(default_factory=dict)  # name of the row → view


def _decoded(name: str, role: Role | None = None) -> dict[str, View]:
    """The three ways to decode a generative arm's tuples."""
    return {
        f"{name}_beam": View(role=role or "generative", of=lambda arm: arm.decoding("beam")),
        f"{name}_hybrid": View(role=role or "hybrid", of=lambda arm: arm.decoding("hybrid")),
        f"{name}_exact": View(role=role or "generative", of=lambda arm: arm.decoding("exact")),
    }


def _popularity(sequences: TrainingSequences, codes: Codes, seed: int) -> Arm:
    return fit_popularity(sequences.item_ids[sequences.items])


def _sasrec(sequences: TrainingSequences, codes: Codes, seed: int) -> Arm:
    return train_sasrec(sequences, in_order(presets.default_sasrec()), seed=seed)


def _mmgrec(sequences: TrainingSequences, codes: Codes, seed: int) -> MMGRecArm:
    return train_mmgrec(sequences, codes, in_order(presets.default_mmgrec()), seed=seed)


def in_order(config: Config) -> Config:
    """The preset for this protocol: events of one second are told apart by their order, at the test too."""
    return replace(config, training=replace(config.training, strict_time=False))


ARMS: Mapping[str, Benchmarked] = {
    "popularity": Benchmarked(train=_popularity, is_seeded=False, views={"popularity": View(role="simple")}),
    "sasrec": Benchmarked(train=_sasrec, views={"sasrec": View(role="dense")}),
    "mmgrec": Benchmarked(train=_mmgrec, codes="semantic", views=_decoded("mmgrec")),
    "mmgrec_random": Benchmarked(
        train=_mmgrec, codes="random", views=_decoded("mmgrec_random", "random_codes")
    ),
}
