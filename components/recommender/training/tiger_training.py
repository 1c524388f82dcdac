"""Training of TIGER: a history of items in, the tuples of the items that follow out.

The encoder looks both ways, so a window serves one history only; to get more from the cost of reading it,
the tuples of the `horizon` items after it are all targets (1, as published: the next one). They share the
encoder's states, and the decoder's few tokens cost little beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.compute import ON_CPU, Compute
from components.recommender.codes.code_tokens import CodeTokens
from components.recommender.codes.trie import Trie
from components.recommender.event_runs import pad_runs
from components.recommender.networks.encoder_decoder import EncoderDecoder
from components.recommender.networks.tuple_likelihood import Normalize, path_log_probs
from components.recommender.networks.weighted_mean import weighted_mean
from components.recommender.sequences import TrainingSequences
from components.recommender.training.checkpoint import read_checkpoint, training_key, write_checkpoint
from components.recommender.training.clipped_adamw import ClippedAdamW
from components.recommender.training.ranks import Ranks
from components.recommender.training.step import OnStep, Step
from components.recommender.training.windows import SHUFFLE_BATCHES, known_before


@dataclass(frozen=True, kw_only=True)
class TigerTraining:
    """How long and how hard to train."""

    epochs: int = 16
    batch_size: int = 32  # histories
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.1  # of all steps
    clip_norm: float = 1.0
    histories_per_user: int = 8  # of an epoch, drawn anew each time; a shorter user gives all
    horizon: int = 1  # items after a history that are its targets
    strict_time: bool = True  # predict from earlier seconds only, as a rolling replay asks

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.histories_per_user, self.horizon) < 1:
            raise ValueError("epochs, batch_size, histories_per_user and horizon must be at least 1")


@dataclass(frozen=True, kw_only=True)
class TargetBatch:
    """Histories, padded on the right, and what follows each."""

    items: Int[Tensor, "B P"]  # position in the vocabulary
    length: Int[Tensor, "B"]
    targets: Int[Tensor, "B horizon"]  # where there is none, the last one again
    is_target: Bool[Tensor, "B horizon"]
    weights: Float[Tensor, "B horizon"] | None = None  # of each target's loss; None: all alike

    @property
    def total_weight(self) -> float:
        kept = self.is_target if self.weights is None else self.weights.double() * self.is_target
        return float(kept.sum())

    def rows(self, rank: int, world: int) -> TargetBatch:
        """The histories rank, rank + world, and so on, with their targets."""
        kept: dict[str, Any] = {
            name: None if part is None else part[rank::world].clone() for name, part in vars(self).items()
        }
        return TargetBatch(**kept)

    def to(self, device: torch.device) -> TargetBatch:
        moved: dict[str, Any] = {
            name: None if part is None else part.to(device) for name, part in vars(self).items()
        }
        return TargetBatch(**moved)


def target_batches(
    sequences: TrainingSequences, config: TigerTraining, *, max_items: int, rng: np.random.Generator
) -> Iterator[TargetBatch]:
    """One epoch: batches of histories of like length, in random order.

    Holds: a history ends before its first target, in an earlier second with `strict_time`; the `horizon` are the next
    events whatever they weigh, and those of weight 0 among them are no targets.
    """
    first = _drawn(sequences, config.histories_per_user, rng)
    weights, may_be_target = sequences.weights, sequences.is_target
    known = known_before(sequences, strict_time=config.strict_time)[first]
    user = sequences.user_of_event()[first]
    begin = np.maximum(sequences.offsets[user], known - max_items)
    size = config.batch_size
    order, batches = rng.permutation(len(first)), []
    for chunk in np.split(order, range(size * SHUFFLE_BATCHES, len(order), size * SHUFFLE_BATCHES)):
        chunk = chunk[np.argsort((known - begin)[chunk], kind="stable")]
        batches += np.split(chunk, range(size, len(chunk), size))
    for at in rng.permutation(len(batches)):
        chosen = batches[at]
        items, _ = pad_runs(sequences.items, sequences.times, begin[chosen], known[chosen])
        event = first[chosen][:, None] + np.arange(config.horizon)
        ends = sequences.offsets[user[chosen] + 1][:, None]
        is_target, event = event < ends, np.minimum(event, ends - 1)
        yield TargetBatch(
            items=torch.from_numpy(items),
            length=torch.from_numpy((known - begin)[chosen]),
            targets=torch.from_numpy(sequences.items[event].astype(np.int64)),
            is_target=torch.from_numpy(is_target & may_be_target[event]),
            weights=None if weights is None else torch.from_numpy(weights[event]),
        )


def fit_tiger(
    network: EncoderDecoder,
    tokens: CodeTokens,
    trie: Trie,
    item_tokens: Int[Tensor, "item L"],
    sequences: TrainingSequences,
    config: TigerTraining,
    *,
    max_items: int,
    normalize: Normalize,
    seed: int,
    compute: Compute = ON_CPU,
    on_step: OnStep | None = None,
    checkpoint: Path | None = None,
    begin: Mapping[str, Tensor] | None = None,
) -> None:
    """Train in place, starting at `begin` and going on from `checkpoint` as `training.fit` does.

    The network is back on the CPU after.

    Several ranks train it between them, as there. Raises TrainingDiverged naming the step, DeviceUnavailable,
    CheckpointMismatch.
    """
    if begin is not None:
        network.load_state_dict(begin)
    training = _Training(
        network, tokens, trie, item_tokens, sequences, config,
        max_items=max_items, normalize=normalize, seed=seed, compute=compute,
    )  # fmt: skip
    settings = training.ranks.settings(
        config, compute, max_items, normalize, seed, tokens, item_tokens.tolist()
    )
    key = "" if checkpoint is None else training_key(network, sequences, settings, begin)
    if checkpoint is not None and (saved := read_checkpoint(checkpoint, key)) is not None:
        training.go_on_from(saved)
    training.ranks.stand_alike(training.epoch, checkpoint, training.device)
    network.train()
    while training.epoch < config.epochs:
        training.run_epoch(on_step)
        if checkpoint is not None and training.ranks.is_first:
            write_checkpoint(checkpoint, key, training.state())
    network.to("cpu").eval()


class _Training:
    """A network in training: what it learns from, by which steps, and how far it is."""

    def __init__(
        self,
        network: EncoderDecoder,
        tokens: CodeTokens,
        trie: Trie,
        item_tokens: Int[Tensor, "item L"],
        sequences: TrainingSequences,
        config: TigerTraining,
        *,
        max_items: int,
        normalize: Normalize,
        seed: int,
        compute: Compute,
    ) -> None:
        self.network, self.tokens, self.sequences, self.config = network, tokens, sequences, config
        self.max_items, self.normalize, self.compute = max_items, normalize, compute
        self.ranks, self.seed, self.rng = Ranks.here(), seed, np.random.default_rng(seed)
        self.device = compute.usable_device()
        # weights move first: an optimizer keeps its moments where its weights are
        self.optimizer = ClippedAdamW(network.to(self.device), config, ranks=self.ranks)
        self.encode = torch.compile(network.encode, dynamic=True) if compute.compile else network.encode
        self.trie = trie.mapped(lambda tensor: tensor.to(self.device))
        self.item_tokens = item_tokens.to(self.device)
        self.loss_of = self.ranks.together(self._loss, network)
        self.epoch = 0  # finished

    def run_epoch(self, on_step: OnStep | None) -> None:
        """One drawing of histories, and a step for each batch of them."""
        drawn = target_batches(self.sequences, self.config, max_items=self.max_items, rng=self.rng)
        batches = [self.ranks.part_of(batch) for batch in drawn]
        self.ranks.draw_apart(self.seed, self.epoch)
        num_steps = self.config.epochs * len(batches)
        for batch, share in batches:
            loss = share * self.loss_of(batch.to(self.device))
            value = self.optimizer.step(loss, num_steps=num_steps, epoch=self.epoch)
            if on_step is not None and self.ranks.is_first:
                done, epoch = self.optimizer.steps, self.epoch
                on_step(Step(step=done, num_steps=num_steps, epoch=epoch, loss=value, validation_ndcg=None))
        self.epoch += 1

    def _loss(self, batch: TargetBatch) -> Tensor:
        """Mean over the targets that exist: a user's last events have fewer than `horizon` after them."""
        with self.compute.autocast():
            read = self.tokens.of_histories(self.item_tokens, batch.items, batch.length)
            log_p = path_log_probs(
                self.network, self.tokens, self.trie, self.encode(read), batch.targets, self.normalize
            )
            weights = None if batch.weights is None else batch.weights[batch.is_target]
            return weighted_mean(-log_p[batch.is_target], weights)

    def state(self) -> dict[str, Any]:
        """All that the rest of the training depends on."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.adamw.state_dict(),
            "steps": self.optimizer.steps,
            "rng": self.rng.bit_generator.state,
            "epoch": self.epoch,
        }

    def go_on_from(self, saved: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self.network.load_state_dict(saved["network"])
        self.optimizer.adamw.load_state_dict(saved["optimizer"])
        self.optimizer.steps, self.epoch = saved["steps"], saved["epoch"]
        self.rng.bit_generator.state = saved["rng"]


def _drawn(
    sequences: TrainingSequences, per_user: int, rng: np.random.Generator
) -> Int[np.ndarray, "target"]:
    """At most `per_user` events of each user that may be targets, without replacement."""
    # users stay together, their events in random order: the first few are a draw without replacement
    drawn, may_be_target = rng.random(len(sequences.items)), sequences.is_target
    drawn[~may_be_target] = 2.0  # behind all others
    order = np.lexsort((drawn, sequences.user_of_event()))
    rank = np.arange(len(order)) - np.repeat(sequences.offsets[:-1], np.diff(sequences.offsets))
    found = order[rank < per_user]
    return found[may_be_target[found]]
