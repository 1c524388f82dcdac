"""Training of a network: AdamW, warm-up and cosine, early stop on the latest part of the training data.

Same sequences, config, seed and number of threads: same weights. Budgets are epochs, never seconds. In a process group
of torch the ranks train one network between them (see `ranks`): `fit` is called on each, and leaves the same in each.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.compute import ON_CPU, Compute
from components.recommender.fast_matmul import fast_matmul
from components.recommender.networks.cloze_network import ClozeNetwork
from components.recommender.networks.mixer_networks import Network
from components.recommender.networks.preference_network import PreferenceNetwork
from components.recommender.networks.reasoning_network import ReasoningNetwork
from components.recommender.sequences import TrainingSequences
from components.recommender.training.checkpoint import read_checkpoint, training_key, write_checkpoint
from components.recommender.training.clipped_adamw import ClippedAdamW
from components.recommender.training.cloze_batches import cloze_batches
from components.recommender.training.preference_batches import preference_loss, preferring
from components.recommender.training.ranks import Ranks
from components.recommender.training.reasoning_batches import asking, reasoning_loss
from components.recommender.training.step import OnStep, Step
from components.recommender.training.touched_items import touched_items
from components.recommender.training.training_config import TrainingConfig
from components.recommender.training.trim_heap import trim_heap
from components.recommender.training.validation import held_out, validation_ndcg, validation_targets
from components.recommender.training.windows import WindowBatch, cut_windows, known_before, window_batches

TRIM_EVERY = 100  # steps: on Beauty .15 s in some ten, and a peak of 1.4 GB instead of 1.7


def fit(
    network: Network,
    sequences: TrainingSequences,
    config: TrainingConfig,
    *,
    max_length: int,
    seed: int,
    compute: Compute = ON_CPU,
    on_step: OnStep | None = None,
    checkpoint: Path | None = None,
    begin: Mapping[str, Tensor] | None = None,
) -> None:
    """Train in place and leave the best weights (by validation NDCG@10; the last ones without validation).

    With `begin`, training starts at these weights, in place of noise and spectrum (see `warm_start`).

    With `checkpoint`, the state is written there after every epoch, and a file that is there already is gone
    on from, to the same weights as without the break; remove it when the weights are safe. The network is back
    on the CPU when this returns. Of several ranks the first writes and calls `on_step`, and all read: the file's folder
    is one that they share.

    Raises TrainingDiverged naming the step, DeviceUnavailable, CheckpointMismatch.
    """
    training = _Training(
        network, sequences, config, max_length=max_length, seed=seed, compute=compute, begin=begin
    )
    settings = training.ranks.settings(config, compute, max_length, seed)
    key = "" if checkpoint is None else training_key(network, sequences, settings, begin)
    if checkpoint is not None and (saved := read_checkpoint(checkpoint, key)) is not None:
        training.go_on_from(saved)
    progress = training.progress
    training.ranks.stand_alike(progress.epoch, checkpoint, training.device)
    while progress.epoch < config.epochs and progress.stale < config.patience:
        training.run_epoch(on_step)
        if checkpoint is not None and training.ranks.is_first:
            write_checkpoint(checkpoint, key, training.state())
    if progress.best_weights is not None:
        network.load_state_dict(progress.best_weights)
    network.draws = None
    network.to("cpu").eval()


@dataclass
class _Progress:
    """How far a training is."""

    epoch: int = 0  # finished
    best: float = -1.0
    stale: int = 0  # evaluations since the best one
    best_weights: dict[str, Tensor] | None = None


class _Training:
    """A network in training: what it learns from, by which steps, and how far it is."""

    def __init__(
        self,
        network: Network,
        sequences: TrainingSequences,
        config: TrainingConfig,
        *,
        max_length: int,
        seed: int,
        compute: Compute,
        begin: Mapping[str, Tensor] | None,
    ) -> None:
        self.network, self.sequences, self.config = network, sequences, config
        self.max_length, self.compute, self.device = max_length, compute, compute.usable_device()
        self.ranks, self.seed, self.rng = Ranks.here(), seed, np.random.default_rng(seed)
        self.known = known_before(sequences, strict_time=config.strict_time)
        self.is_held_out = is_held_out = held_out(sequences, config)
        self.is_target = ~is_held_out & sequences.is_target
        self.validation = validation_targets(sequences, is_held_out, config, self.rng)
        if begin is not None:
            network.load_state_dict(begin)
        elif config.start_length and self.ranks.is_first:  # the others get its weights
            dim = network.items.tables.shape[1]
            from components.recommender.training.spectral_start import spectral_vectors  # SciPy: not to serve

            start = spectral_vectors(sequences, dim, length=config.start_length, seed=seed)
            network.begin_at(torch.from_numpy(start))
        # weights move first: an optimizer keeps its moments where its weights are
        network.to(self.device)
        # gradients of a few rows are not averaged over ranks: several read the whole catalogue
        alone = self.ranks.world == 1
        self.touched = touched_items(network, weight_decay=config.weight_decay) if alone else None
        self.rows = None if self.touched is None else self.touched.rows
        self.optimizer = ClippedAdamW(network, config, self.rows, self.ranks)
        self.read_states = torch.compile(network.states, dynamic=True) if compute.compile else network.states
        self.loss_of = self.ranks.together(self._loss, network)
        network.draws = self.draws = self.ranks.drawn_alike(self.device)
        self.progress = _Progress()

    def run_epoch(self, on_step: OnStep | None) -> None:
        """Every event of some weight a target once; the network is evaluated after the last step, where that is due."""
        epoch = self.progress.epoch
        batches = self._batches()
        num_steps = self.config.epochs * len(batches)
        self.network.train()
        self.ranks.draw_apart(self.seed, epoch)
        for at, (batch, share) in enumerate(batches):
            loss = share * self.loss_of(batch.to(self.device))
            value = self.optimizer.step(loss, num_steps=num_steps, epoch=epoch)
            if self.optimizer.steps % TRIM_EVERY == 0:
                trim_heap()
            is_last = at == len(batches) - 1
            if is_last and self.rows is not None:
                self.rows.settle()
            ndcg = self._evaluate() if is_last and self._is_due(epoch) else None
            if on_step is not None and self.ranks.is_first:
                done = self.optimizer.steps
                on_step(Step(step=done, num_steps=num_steps, epoch=epoch, loss=value, validation_ndcg=ndcg))
        self.progress.epoch = epoch + 1

    def _batches(self) -> list[tuple[WindowBatch, float]]:
        """All of an epoch's, since the schedule has to know how many there are: this rank's part, and its share."""
        windows = cut_windows(
            self.sequences, max_length=self.max_length, stride=self.config.stride, rng=self.rng
        )
        given: dict[str, Any] = {
            "known": self.known,
            "is_target": self.is_target,
            "batch_size": self.config.batch_size,
            "rng": self.rng,
        }
        if isinstance(self.network, ClozeNetwork):
            batches = cloze_batches(
                self.sequences, windows, self.network.cloze, is_held_out=self.is_held_out, **given
            )
        else:
            batches = window_batches(self.sequences, windows, **given)
        if isinstance(self.network, PreferenceNetwork):
            batches = preferring(batches, self.network, self.rng)
        elif isinstance(self.network, ReasoningNetwork):
            batches = asking(batches, self.network, self.rng)
        return [self.ranks.part_of(batch) for batch in batches]

    def _loss(self, batch: WindowBatch) -> Tensor:
        with self.compute.autocast():
            if self.touched is not None:
                return self.touched.loss(batch, self.read_states)
            if isinstance(self.network, PreferenceNetwork):
                return preference_loss(self.network, batch, self.read_states)
            if isinstance(self.network, ReasoningNetwork):
                return reasoning_loss(self.network, batch, self.read_states)
            vectors = self.network.items()  # once a step, for histories and targets alike
            states = self.read_states(vectors, batch.items, batch.times).flatten(0, 1)[batch.state_at]
            return self.network.loss(states, vectors, batch.targets, batch.weights)

    def _is_due(self, epoch: int) -> bool:
        """Whether an evaluation follows this epoch: every so many, and the last one whatever its number."""
        is_last = epoch + 1 == self.config.epochs
        return len(self.validation) > 0 and ((epoch + 1) % self.config.evaluate_every == 0 or is_last)

    def _evaluate(self) -> float:
        """NDCG@10 on the held-out targets; the weights are kept if none before were better."""
        ndcg = validation_ndcg(
            self.network, self.sequences, self.validation, self.known,
            max_length=self.max_length, ranks=self.ranks,
        )  # fmt: skip
        self.progress.stale += 1
        if ndcg > self.progress.best:
            self.progress.best, self.progress.stale = ndcg, 0
            self.progress.best_weights = copy.deepcopy(self.network.state_dict())
        return ndcg

    def state(self) -> dict[str, Any]:
        """All that the rest of the training depends on."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.adamw.state_dict(),
            "steps": self.optimizer.steps,
            "rng": self.rng.bit_generator.state,
            "progress": vars(self.progress),
            **({} if self.rows is None else {"rows": self.rows.state()}),
            **({} if self.draws is None else {"draws": self.draws.get_state()}),
        }

    def go_on_from(self, saved: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self.network.load_state_dict(saved["network"])
        self.optimizer.adamw.load_state_dict(saved["optimizer"])
        self.optimizer.steps = saved["steps"]
        if self.rows is not None:
            self.rows.go_on_from(saved["rows"])
        self.rng.bit_generator.state = saved["rng"]
        self.progress = _Progress(**saved["progress"])
        if self.draws is not None:
            self.draws.set_state(saved["draws"])


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Initial weights and dropout from the seed, fast matrix products, and the caller's state untouched."""
    with fast_matmul(), torch.random.fork_rng():  # of the CPU and of every GPU there is
        torch.manual_seed(seed)
        yield
