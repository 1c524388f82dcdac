"""Fusion: sequence networks on code inputs, and a linear model of the same events, in one score.

A network reads the order of a history and its latest events; EASE (Steck 2019, arXiv:1905.03375) reads all of it as a
set, with a weight for every pair of items. Their errors differ, so together they rank better than either. EASE's score
is read as a probability, as it was fitted to: to ones where a user has the item, to zeros elsewhere. The experts' log
probabilities are summed (a product of experts: Hinton 1999):

    score of an item = mean over members of state · item vector + linear_weight · log(max(EASE's score, 0) + LEAST)

Members are the dense control with other seeds; the mean of their scores is the geometric one of their softmaxes.
Nothing is searched: every candidate is scored. A fitted EASE is as large as the square of the trained items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from components.compute import ON_CPU, Compute
from components.recommender.arm import Histories, OnRanked, Ranked
from components.recommender.arms.dense_arm import DenseArm, raised
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.arms.dense_network import dense_network
from components.recommender.arms.ease import EASEArm, EASEConfig, fit_ease
from components.recommender.arms.semantic_sasrec import train_semantic_sasrec
from components.recommender.codes.vocabulary import Vocabulary
from components.recommender.decoding.candidates import CandidateItems, CatalogueRows, vocabulary_rows
from components.recommender.decoding.requests import RequestBatch, rank_by_score
from components.recommender.networks.mixer import MixerConfig
from components.recommender.sequences import TrainingSequences
from components.recommender.trained_files import NEW_ITEM_OFFSET, read_vocabulary, write_trained
from components.recommender.training.ranks import Ranks
from components.recommender.training.step import OnStep
from components.recommender.training.training_config import TrainingConfig
from components.recommender.weights import read_weights

NAME = "fusion"
LEAST = 3e-3  # probability of an item that shares nothing with the history, so that its logarithm is finite


@dataclass(frozen=True, kw_only=True)
class FusionConfig(DenseConfig):
    """Members as a dense arm is configured, how many, and the linear model beside them."""

    num_members: int = 1  # networks, trained one after the other from seed, seed + 1, …
    linear_weight: float = 1.0  # of EASE's log probability
    regularization: float = 250.0  # EASE's

    def __post_init__(self) -> None:
        super().__post_init__()
        others = (self.cloze, self.graph, self.content, self.reasoning)
        if any(part is not None for part in others):
            raise ValueError(
                "fusion's networks are mixers of codes trained by the next item: cloze, graph, content and reasoning "
                "are None"
            )
        if self.num_members < 1 or self.linear_weight < 0:
            raise ValueError(
                f"num_members is {self.num_members}, linear_weight {self.linear_weight}; at least one network is "
                "needed, and a weight that is not negative"
            )


def train_fusion(
    sequences: TrainingSequences,
    codes: Int[np.ndarray, "item level"],
    config: FusionConfig,
    *,
    seed: int,
    num_codes: Sequence[int] | None = None,
    compute: Compute = ON_CPU,
    on_step: OnStep | None = None,
    checkpoint: Path | None = None,
    begin: FusionArm | None = None,
) -> FusionArm:
    """Train the members, then solve for the linear model. `on_step` hears of them as of one long training.

    A member's checkpoint stands beside the first's (`checkpoint_of`), and stays when it is trained: a training that was
    cut off trains no member twice. Of several ranks the first alone solves, and its arm is the one to keep: the linear
    model of the others' is of no items. Raises what the members' and EASE's trainings raise.
    """
    members = tuple(
        train_semantic_sasrec(
            sequences,
            codes,
            config,
            seed=seed + at,
            num_codes=num_codes,
            compute=compute,
            on_step=None if on_step is None else _of_one_training(on_step, at, config.num_members),
            checkpoint=None if checkpoint is None else checkpoint_of(checkpoint, at),
            begin=None if begin is None else begin.members[at],
        )
        for at in range(config.num_members)
    )
    ease = EASEConfig(regularization=config.regularization)
    linear = fit_ease(sequences, ease) if Ranks.here().is_first else _of_no_items(ease)
    return FusionArm(members=members, linear=linear, config=config)


def _of_no_items(config: EASEConfig) -> EASEArm:
    return EASEArm(
        item_ids=np.empty(0, dtype=object), weights=np.zeros((0, 0), dtype=np.float32), config=config
    )


def checkpoint_of(checkpoint: Path, member: int) -> Path:
    """Where a member's checkpoint stands: the first's under the given name, the others' after it."""
    return checkpoint.with_stem(f"{checkpoint.stem}-{member}") if member else checkpoint


def _of_one_training(on_step: OnStep, member: int, num_members: int) -> OnStep:
    return lambda step: on_step(
        replace(
            step,
            step=member * step.num_steps + step.step,
            num_steps=num_members * step.num_steps,
        )
    )


class FusionArm:
    """Trained members over one vocabulary, and the linear model of its trained items. Its weights change no more.

    `new_item_offset` is added to the scores of items without a training event.
    """

    name = NAME
    reads_codes = True

    def __init__(
        self,
        *,
        members: Sequence[DenseArm],
        linear: EASEArm,
        config: FusionConfig,
        new_item_offset: float = 0.0,
    ) -> None:
        self.members, self.linear, self.config = tuple(members), linear, config
        self.new_item_offset = new_item_offset
        self.vocabulary: Vocabulary = members[0].vocabulary
        self.compute, self.device = members[0].compute, members[0].device
        self._rows = CatalogueRows(self.vocabulary.item_ids)
        # column of the linear model of each item here, -1 for one without training events
        column = vocabulary_rows(self.vocabulary.item_ids, linear.item_ids)
        self._column = np.where(self.vocabulary.is_trained, column, -1)

    @cached_property
    def network(self) -> FusedNetworks:
        """All weights, as they are saved."""
        return FusedNetworks(
            [member.network for member in self.members], torch.from_numpy(self.linear.weights)
        )

    @cached_property
    def _vectors(self) -> Float[Tensor, "item members_dim"]:
        """Each member's item vectors side by side: one product with their states sums the scores of all."""
        with torch.inference_mode():
            return torch.cat([member.vectors for member in self.members], dim=1) / len(self.members)

    def with_ids(self, item_ids: np.ndarray, codes: Int[np.ndarray, "new level"]) -> FusionArm:
        """The same weights over more items: a new one is its codes, and shares nothing with others in the linear
        model. Raises as `vocabulary.extended` does.
        """
        return self._with(members=[member.with_ids(item_ids, codes) for member in self.members])

    def as_if_new(self, chosen: Bool[np.ndarray, "item"]) -> FusionArm:
        """The same weights, these items without an event: each is its codes, and shares nothing with others."""
        return self._with(members=[member.as_if_new(chosen) for member in self.members])

    def on(self, compute: Compute) -> FusionArm:
        """The same weights, the members' moved to where they rank from now on. Raises DeviceUnavailable."""
        return self._with(members=[member.on(compute) for member in self.members])

    def weighing(self, linear_weight: float) -> FusionArm:
        """The same weights, the linear model's score at this weight in the sum."""
        return self._with(config=replace(self.config, linear_weight=linear_weight))

    def raising_new_items(self, offset: float) -> FusionArm:
        """The same weights; new items score higher by `offset` (see `new_item_share`)."""
        return self._with(new_item_offset=offset)

    def _with(self, **changes: Any) -> FusionArm:
        own: dict[str, Any] = {
            "members": self.members,
            "linear": self.linear,
            "config": self.config,
            "new_item_offset": self.new_item_offset,
        }
        return FusionArm(**own | changes)

    @torch.inference_mode()
    def recommend(
        self,
        histories: Histories,
        *,
        k: int,
        candidates: Bool[np.ndarray, "I"] | None = None,
        exclude_seen: bool = True,
        on_step: OnRanked | None = None,
    ) -> Ranked:
        rows, vectors = self._rows.of(histories.catalogue), self._vectors

        def score(batch: RequestBatch, allowed: CandidateItems) -> Float[Tensor, "B C"]:
            wanted = allowed.once("vectors", lambda: vectors[allowed.rows.to(self.device)])
            states = torch.cat([member.states(batch) for member in self.members], dim=1)
            linear = torch.from_numpy(self._linear_scores(histories, batch.requests)).to(self.device)
            column = torch.from_numpy(self._column[allowed.rows.numpy()]).to(self.device)
            summed = (states @ wanted.T).add_(linear[:, column])
            return raised(summed, allowed, self.vocabulary, self.new_item_offset)

        return rank_by_score(
            score,
            histories,
            rows,
            k=k,
            candidates=candidates,
            allowed=self._rows.allowed(rows, candidates),
            exclude_seen=exclude_seen,
            on_step=on_step,
            max_length=self.config.mixer.max_length,
        )

    def _linear_scores(
        self, histories: Histories, requests: Int[np.ndarray, "B"]
    ) -> Float[np.ndarray, "B trained_and_one"]:
        """Weighted log probabilities of the trained items; the last column is a new item's, who shares nothing."""
        scores = np.pad(self.linear.scores(histories, requests), ((0, 0), (0, 1)))
        weighted: Float[np.ndarray, "B trained_and_one"] = np.log(np.maximum(scores, 0) + LEAST)
        return weighted * np.float32(self.config.linear_weight)

    def save(self, folder: Path) -> None:
        write_trained(
            folder,
            self.name,
            asdict(self.config),
            self.vocabulary,
            self.network,
            new_item_offset=self.new_item_offset,
        )


class FusedNetworks(nn.Module):
    """The members' weights and the linear model's, as one set."""

    linear: Float[Tensor, "trained trained"]

    def __init__(self, members: Sequence[nn.Module], linear: Float[Tensor, "trained trained"]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("linear", linear)


def load_fusion(folder: Path, config: dict[str, Any], compute: Compute = ON_CPU) -> FusionArm:
    """The arm that `save` wrote. Raises CheckpointMismatch, DeviceUnavailable."""
    vocabulary = read_vocabulary(folder, config.pop("num_codes"))
    offset = config.pop(NEW_ITEM_OFFSET, 0.0)
    parsed = FusionConfig(
        **config | {"mixer": MixerConfig(**config["mixer"]), "training": TrainingConfig(**config["training"])}
    )
    networks = [dense_network(vocabulary, parsed) for _ in range(parsed.num_members)]
    trained = vocabulary.item_ids[vocabulary.is_trained]
    fused = FusedNetworks(networks, torch.zeros(len(trained), len(trained)))
    read_weights(folder, fused)
    members = [
        DenseArm(
            name="semantic_sasrec", vocabulary=vocabulary, config=parsed, network=network, compute=compute
        )
        for network in networks
    ]
    linear = EASEArm(
        item_ids=trained,
        weights=fused.linear.numpy(),
        config=EASEConfig(regularization=parsed.regularization),
    )
    return FusionArm(members=members, linear=linear, config=parsed, new_item_offset=offset)
