"""Training of TIGER: a history of items in, the tuples of the items that follow out.

The encoder looks both ways, so a window serves one history only; to get more from the cost of reading it,
the tuples of the `horizon` items after it are all targets (1, as published: the next one). They share the
encoder's states, and the decoder's few tokens cost little beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from components.compute import ON_CPU, Compute
from components.recommender.codes.code_tokens import CodeTokens
from components.recommender.codes.trie import Trie
from components.recommender.networks.encoder_decoder import EncoderDecoder
from components.recommender.networks.tuple_likelihood import Normalize, path_log_probs
from components.recommender.sequences import TrainingSequences
from components.recommender.training.checkpoint import read_checkpoint, write_checkpoint
from components.recommender.training.clipped_adamw import ClippedAdamW
from components.recommender.training.fit import OnStep, Step, training_key
from components.recommender.training.windows import SHUFFLE_BATCHES, known_before, pad_runs


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

    def to(self, device: torch.device) -> TargetBatch:
        return TargetBatch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def target_batches(
    sequences: TrainingSequences, config: TigerTraining, *, max_items: int, rng: np.random.Generator
) -> Iterator[TargetBatch]:
    """One epoch: batches of histories of like length, in random order.

    Holds: a history ends before its first target, in an earlier second with `strict_time`.
    """
    first = _drawn(sequences, config.histories_per_user, rng)
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
        yield TargetBatch(
            items=torch.from_numpy(items),
            length=torch.from_numpy((known - begin)[chosen]),
            targets=torch.from_numpy(sequences.items[np.minimum(event, ends - 1)].astype(np.int64)),
            is_target=torch.from_numpy(event < ends),
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
) -> None:
    """Train in place, going on from `checkpoint` as `training.fit` does; the network is back on the CPU after.

    Raises TrainingDiverged naming the step, DeviceUnavailable, CheckpointMismatch.
    """
    rng = np.random.default_rng(seed)
    device = compute.usable_device()
    descent = ClippedAdamW(network.to(device), config)
    encode = torch.compile(network.encode, dynamic=True) if compute.compile else network.encode
    trie, item_tokens = trie.mapped(lambda tensor: tensor.to(device)), item_tokens.to(device)
    settings = (config, compute, max_items, normalize, seed, tokens, item_tokens.tolist())
    key = "" if checkpoint is None else training_key(network, sequences, settings)
    finished = 0  # epochs
    if checkpoint is not None and (saved := read_checkpoint(checkpoint, key)) is not None:
        network.load_state_dict(saved["network"])
        descent.optimizer.load_state_dict(saved["optimizer"])
        rng.bit_generator.state = saved["rng"]
        descent.steps, finished = saved["steps"], saved["epoch"]
    network.train()
    for epoch in range(finished, config.epochs):
        batches = list(target_batches(sequences, config, max_items=max_items, rng=rng))
        num_steps = config.epochs * len(batches)
        for batch in batches:
            batch = batch.to(device)
            with compute.autocast():
                memory = encode(tokens.of_histories(item_tokens, batch.items, batch.length))
                log_p = path_log_probs(network, tokens, trie, memory, batch.targets, normalize)
                loss = -log_p[batch.is_target].mean()
            value = descent.step(loss, num_steps=num_steps, epoch=epoch)
            if on_step is not None:
                done = descent.steps
                on_step(Step(step=done, num_steps=num_steps, epoch=epoch, loss=value, validation_ndcg=None))
        if checkpoint is not None:
            state = {
                "network": network.state_dict(),
                "optimizer": descent.optimizer.state_dict(),
                "steps": descent.steps,
                "rng": rng.bit_generator.state,
                "epoch": epoch + 1,
            }
            write_checkpoint(checkpoint, key, state)
    network.to("cpu").eval()


def _drawn(
    sequences: TrainingSequences, per_user: int, rng: np.random.Generator
) -> Int[np.ndarray, "target"]:
    """At most `per_user` events of each user, without replacement."""
    order = np.lexsort((rng.random(len(sequences.items)), sequences.user_of_event()))
    rank = np.arange(len(order)) - np.repeat(sequences.offsets[:-1], np.diff(sequences.offsets))
    return order[rank < per_user]
