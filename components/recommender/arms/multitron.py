"""One trained model for every preference over event types: SASRec that is told what to aim at, after MultiTRON.

Each event type with training targets is an objective. In training a preference is drawn a batch; at ranking it is the
config's, or of every objective alike. `preferring` gives the same weights under another.

Source: Wilm et al. 2024, arXiv:2407.16828. There the objectives are a sampled softmax over clicks and, of the clicked
item, whether it is ordered; here each type has the softmax of SASRec over its own targets, for any types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from components.compute import ON_CPU, Compute
from components.preference import preference_text, read_preference
from components.recommender.arms.dense_arm import DenseArm
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.arms.dense_network import embedding_of
from components.recommender.carried_weights import CannotBeginThere, carried_over
from components.recommender.codes.vocabulary import Vocabulary
from components.recommender.networks.mixer import Mixer, MixerConfig
from components.recommender.networks.preference_network import PreferenceNetwork
from components.recommender.sequences import TrainingSequences
from components.recommender.trained_files import read_vocabulary
from components.recommender.training.fit import fit, seeded
from components.recommender.training.step import OnStep
from components.recommender.training.training_config import TrainingConfig
from components.recommender.weights import read_weights

NAME = "multitron"
UNTOLD = ("event",)  # the one objective of a training that does not tell types apart


class UnknownObjective(ValueError):
    """A preference names an event type that no training target is of."""


@dataclass(frozen=True, kw_only=True)
class MultitronConfig(DenseConfig):
    """SASRec as a dense arm is configured, and what it aims at."""

    concentration: float = (
        0.5  # beta of the Dirichlet; 1 is uniform, below it one objective often has nearly all
    )
    penalty: float = 0.1  # of non-uniformity
    preference: str = ""  # over event types, as `components.preference` reads it; "" is the same for all
    objectives: tuple[str, ...] = ()  # event types, ascending: what the training found

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.concentration <= 0 or self.penalty < 0:
            raise ValueError(
                f"concentration is {self.concentration}, and above 0; penalty {self.penalty}, and not below it"
            )
        read_preference(self.preference)
        if self.mixer.bidirectional or self.graph is not None or self.reasoning is not None:
            raise ValueError("what is to be aimed at enters a causal mixer: set no cloze, graph or reasoning")


def train_multitron(
    sequences: TrainingSequences,
    vocabulary: Vocabulary,
    config: MultitronConfig,
    *,
    seed: int,
    compute: Compute = ON_CPU,
    on_step: OnStep | None = None,
    checkpoint: Path | None = None,
    begin: MultitronArm | None = None,
) -> MultitronArm:
    """Train for every preference over the types of the targets; without types over one objective, which is SASRec.

    Raises UnknownObjective for a preference over other types, CannotBeginThere where `begin` has other objectives, and
    what `train_dense` raises.
    """
    sequences = with_objectives(sequences)
    config = replace(config, objectives=sequences.type_names)
    if begin is not None and begin.config.objectives != config.objectives:
        raise CannotBeginThere(
            f"its objectives are {', '.join(begin.config.objectives)}, and here {', '.join(config.objectives)}: train "
            "with --cold-start"
        )
    with seeded(seed):
        network = _network(vocabulary, config)
        fit(
            network,
            sequences,
            config.training,
            max_length=config.mixer.max_length,
            seed=seed,
            compute=compute,
            on_step=on_step,
            checkpoint=checkpoint,
            begin=None if begin is None else carried_over(begin, vocabulary, network),
        )
    return MultitronArm(vocabulary=vocabulary, config=config, network=network)


def with_objectives(sequences: TrainingSequences) -> TrainingSequences:
    """The sequences whose types are those of their targets; events that are context alone are of type -1."""
    if sequences.types is None:
        return replace(sequences, types=np.zeros(len(sequences.items), dtype=np.int64), type_names=UNTOLD)
    aimed = np.unique(sequences.types[sequences.is_target])
    place = np.full(len(sequences.type_names), -1, dtype=np.int64)
    place[aimed] = np.arange(len(aimed))
    names = tuple(sequences.type_names[at] for at in aimed)
    return replace(sequences, types=place[sequences.types], type_names=names)


def _network(vocabulary: Vocabulary, config: MultitronConfig) -> PreferenceNetwork:
    return PreferenceNetwork(
        embedding_of(vocabulary, config),
        Mixer(config.mixer),
        torch.from_numpy(np.flatnonzero(vocabulary.is_trained)),
        preference=parts_of(config.preference, config.objectives),
        penalty=config.penalty,
        concentration=config.concentration,
        num_negatives=config.num_negatives,
        calibration=config.calibration if config.loss == "gbce" else None,
    )


def parts_of(preference: str, objectives: Sequence[str]) -> Float[Tensor, "K"]:
    """The part of each objective; the same for all where none is said. Raises UnknownObjective."""
    said = read_preference(preference)
    if unknown := sorted(said.keys() - set(objectives)):
        raise UnknownObjective(
            f"the preference names {', '.join(map(repr, unknown))}, and the targets of the training are of type "
            f"{', '.join(objectives)}. Name one of these"
        )
    return torch.tensor([said.get(name, 0.0 if said else 1 / len(objectives)) for name in objectives])


class MultitronArm(DenseArm):
    """A trained dense arm under one preference."""

    config: MultitronConfig
    network: PreferenceNetwork

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        config: MultitronConfig,
        network: PreferenceNetwork,
        compute: Compute = ON_CPU,
    ) -> None:
        super().__init__(name=NAME, vocabulary=vocabulary, config=config, network=network, compute=compute)

    def on(self, compute: Compute) -> MultitronArm:
        """The same weights, moved to where they rank from now on. Raises DeviceUnavailable."""
        return MultitronArm(
            vocabulary=self.vocabulary, config=self.config, network=self.network, compute=compute
        )

    def preferring(self, preference: str | dict[str, float]) -> MultitronArm:
        """The same weights under another preference; "" is the same for every objective. Raises UnknownObjective."""
        text = preference if isinstance(preference, str) else preference_text(preference)
        config = replace(self.config, preference=text)
        network = _network(self.vocabulary, config)
        network.load_state_dict(self.network.state_dict(), assign=True)  # shared, not copied
        return MultitronArm(vocabulary=self.vocabulary, config=config, network=network, compute=self.compute)


def load_multitron(folder: Path, config: dict[str, Any], compute: Compute = ON_CPU) -> MultitronArm:
    """The arm that `save` wrote. Raises CheckpointMismatch, DeviceUnavailable."""
    vocabulary = read_vocabulary(folder, config.pop("num_codes"))
    parsed = MultitronConfig(
        **config
        | {
            "mixer": MixerConfig(**config["mixer"]),
            "training": TrainingConfig(**config["training"]),
            "objectives": tuple(config["objectives"]),
        }
    )
    network = _network(vocabulary, parsed)
    read_weights(folder, network)
    return MultitronArm(vocabulary=vocabulary, config=parsed, network=network, compute=compute)
