"""What is benchmarked, by name: how an arm is trained, what codes it reads, and how it may be decoded.

To add one: an entry in ARMS. An arm that is trained once and decoded in several ways has several views, each
a row of its own in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from jaxtyping import Int

from components.content_vectors import ContentVectors
from components.recommender import presets
from components.recommender.arm import Arm
from components.recommender.arms.dense_arm import DenseArm, train_dense
from components.recommender.arms.dense_config import DenseConfig, DenseName
from components.recommender.arms.ease import fit_ease
from components.recommender.arms.fusion import FusionArm, train_fusion
from components.recommender.arms.mmgrec import MMGRecArm, MMGRecConfig, train_mmgrec
from components.recommender.arms.multitron import MultitronArm, train_multitron
from components.recommender.arms.pisa import PisaArm, train_pisa
from components.recommender.arms.semantic_sasrec import train_semantic_sasrec
from components.recommender.arms.tiger import TigerArm, TigerConfig, train_tiger
from components.recommender.baselines.popularity import fit_popularity
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.sequences import TrainingSequences
from components.tokenizer.names import DEFAULT, TokenizerName

Codes = Int[np.ndarray, "item token"]
Sizes = Sequence[int] | None  # of the code tables; None: as large as the codes ask
Train = Callable[..., Any]  # of sequences, codes, seed and sizes, and content where that is read
Config = TypeVar("Config", bound=DenseConfig | MMGRecConfig | TigerConfig)
# What a row counts as where targets are checked. `hybrid` finds by tuple and orders by the dense score too.
Role = Literal[
    "simple",
    "dense",
    "dense_control",
    "fusion",
    "generative",
    "hybrid",
    "random_codes",
    "other_codes",
    "paper",
]


@dataclass(frozen=True, kw_only=True)
class View:
    """A trained arm as it is ranked, and what it counts as."""

    role: Role
    of: Callable[[Any], Arm] = lambda arm: arm


@dataclass(frozen=True, kw_only=True)
class Benchmarked:
    train: Train
    codes: Literal["none", "semantic", "random"] = "none"
    tokenizer: TokenizerName = DEFAULT  # of the codes
    reads_content: bool = False
    is_seeded: bool = True  # False: every seed gives the same, so one is enough
    views: Mapping[str, View] = field(default_factory=dict)  # name of the row → view


def _decoded(name: str, role: Role | None = None) -> dict[str, View]:
    """Ranked by tuple score alone, and by both; exact scoring, the same to .01 %, has its place in `top_ten`."""
    return {
        f"{name}_beam": View(role=role or "generative", of=lambda arm: arm.decoding("beam")),
        f"{name}_hybrid": View(role=role or "hybrid", of=lambda arm: arm.decoding("hybrid")),
    }


def _popularity(sequences: TrainingSequences, codes: Codes, seed: int, sizes: Sizes = None) -> Arm:
    return fit_popularity(sequences.item_ids[sequences.items])


def _ease(sequences: TrainingSequences, codes: Codes, seed: int, sizes: Sizes = None) -> Arm:
    return fit_ease(sequences, presets.default_ease(presets.density_of(sequences)))


def _sasrec(sequences: TrainingSequences, codes: Codes, seed: int, sizes: Sizes = None) -> DenseArm:
    config = presets.default_sasrec(presets.density_of(sequences))
    return train_dense("sasrec", sequences, vocabulary_of(sequences), in_order(config), seed=seed)


def _sasrec_from_noise(
    sequences: TrainingSequences, codes: Codes, seed: int, sizes: Sizes = None
) -> DenseArm:
    config = presets.default_sasrec(presets.density_of(sequences))
    from_noise = replace(config, training=replace(config.training, start_length=0.0))
    return train_dense("sasrec", sequences, vocabulary_of(sequences), in_order(from_noise), seed=seed)


def _semantic_sasrec(sequences: TrainingSequences, codes: Codes, seed: int, sizes: Sizes = None) -> DenseArm:
    config = presets.default_semantic_sasrec(presets.density_of(sequences))
    return train_semantic_sasrec(sequences, codes, in_order(config), seed=seed, num_codes=sizes)


def _dense(name: DenseName, preset: Callable[[presets.Density], DenseConfig]) -> Benchmarked:
    """An arm without codes whose row is called as the arm is."""

    def train(sequences: TrainingSequences, codes: Codes, seed: int, sizes: Sizes = None) -> DenseArm:
        config = in_order(preset(presets.density_of(sequences)))
        return train_dense(name, sequences, vocabulary_of(sequences), config, seed=seed)

    return Benchmarked(train=train, views={name: View(role="dense")})


def _told(name: DenseName, preset: Callable[[presets.Density], DenseConfig]) -> Benchmarked:
    """An arm that reads what items are, whose row is called as the arm is."""

    def train(
        sequences: TrainingSequences, codes: Codes, seed: int, sizes: Sizes, content: ContentVectors
    ) -> DenseArm:
        config = in_order(preset(presets.density_of(sequences)))
        vocabulary = vocabulary_of(sequences, content=content)
        return train_dense(name, sequences, vocabulary, config, seed=seed, content=content)

    return Benchmarked(train=train, reads_content=True, views={name: View(role="dense")})


def _pisa(sequences: TrainingSequences, codes: Codes, seed: int, sizes: Sizes = None) -> PisaArm:
    config = in_order(presets.default_pisa(presets.density_of(sequences)))
    return train_pisa(sequences, vocabulary_of(sequences), config, seed=seed)


def _multitron(sequences: TrainingSequences, codes: Codes, seed: int, sizes: Sizes = None) -> MultitronArm:
    """Of one objective: the data here have one type of event; of two, see `preferences`."""
    config = in_order(presets.default_multitron(presets.density_of(sequences)))
    return train_multitron(sequences, vocabulary_of(sequences), config, seed=seed)


def _tiger(sequences: TrainingSequences, codes: Codes, seed: int, sizes: Sizes = None) -> TigerArm:
    return train_tiger(sequences, codes, in_order(presets.default_tiger()), seed=seed, num_codes=sizes)


def _mmgrec(sequences: TrainingSequences, codes: Codes, seed: int, sizes: Sizes = None) -> MMGRecArm:
    config = presets.default_mmgrec(presets.density_of(sequences))
    return train_mmgrec(sequences, codes, in_order(config), seed=seed, num_codes=sizes)


def _accurate_mmgrec(sequences: TrainingSequences, codes: Codes, seed: int, sizes: Sizes = None) -> MMGRecArm:
    config = presets.accurate_mmgrec(presets.density_of(sequences))
    return train_mmgrec(sequences, codes, in_order(config), seed=seed, num_codes=sizes)


def _fusion(sequences: TrainingSequences, codes: Codes, seed: int, sizes: Sizes = None) -> FusionArm:
    config = presets.default_fusion(presets.density_of(sequences))
    return train_fusion(sequences, codes, in_order(config), seed=seed, num_codes=sizes)


def _mmgrec_paper(sequences: TrainingSequences, codes: Codes, seed: int, sizes: Sizes = None) -> MMGRecArm:
    return train_mmgrec(sequences, codes, in_order(presets.paper_mmgrec()), seed=seed, num_codes=sizes)


def in_order(config: Config) -> Config:
    """The preset for this protocol: events of one second are told apart by their order, at the test too."""
    return replace(config, training=replace(config.training, strict_time=False))


ARMS: Mapping[str, Benchmarked] = {
    "popularity": Benchmarked(train=_popularity, is_seeded=False, views={"popularity": View(role="simple")}),
    "ease": Benchmarked(train=_ease, is_seeded=False, views={"ease_ours": View(role="simple")}),
    "sasrec": Benchmarked(train=_sasrec, views={"sasrec": View(role="dense")}),
    "sasrec_from_noise": Benchmarked(
        train=_sasrec_from_noise, views={"sasrec_from_noise": View(role="dense")}
    ),
    "semantic_sasrec": Benchmarked(
        train=_semantic_sasrec, codes="semantic", views={"semantic_sasrec": View(role="dense_control")}
    ),
    "fusion": Benchmarked(train=_fusion, codes="semantic", views={"fusion": View(role="fusion")}),
    "hstu": _dense("hstu", presets.default_hstu),
    "hstu_text": _told("hstu_text", presets.default_hstu_text),
    "m2trec": _told("m2trec", presets.default_m2trec),
    "fmlp": _dense("fmlp", presets.default_fmlp),
    "gru4rec": _dense("gru4rec", presets.default_gru4rec),
    "tim4rec": _dense("tim4rec", presets.default_tim4rec),
    "gsasrec": _dense("gsasrec", presets.default_gsasrec),
    "bert4rec": _dense("bert4rec", presets.default_bert4rec),
    "lightgcn": _dense("lightgcn", presets.default_lightgcn),
    "alpharec": _told("alpharec", presets.default_alpharec),
    "rlmrec": _told("rlmrec", presets.default_rlmrec),
    "onepiece": _dense("onepiece", presets.default_onepiece),
    "pisa": Benchmarked(train=_pisa, views={"pisa": View(role="dense")}),
    "multitron": Benchmarked(train=_multitron, views={"multitron": View(role="dense")}),
    "tiger": Benchmarked(train=_tiger, codes="semantic", views={"tiger": View(role="generative")}),
    "mmgrec_paper": Benchmarked(
        train=_mmgrec_paper, codes="semantic", views={"mmgrec_paper": View(role="paper")}
    ),
    "mmgrec": Benchmarked(train=_mmgrec, codes="semantic", views=_decoded("mmgrec")),
    "mmgrec_accurate": Benchmarked(
        train=_accurate_mmgrec, codes="semantic", views=_decoded("mmgrec_accurate")
    ),
    "mmgrec_random": Benchmarked(
        train=_mmgrec, codes="random", views=_decoded("mmgrec_random", "random_codes")
    ),
    **{
        f"mmgrec_by_{name}": Benchmarked(
            train=_mmgrec,
            codes="semantic",
            tokenizer=name,
            views=_decoded(f"mmgrec_by_{name}", "other_codes"),
        )
        for name in get_args(TokenizerName)
        if name != DEFAULT
    },
}
