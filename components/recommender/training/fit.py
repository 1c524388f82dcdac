"""Training of a network: AdamW, warm-up and cosine, early stop on the latest part of the training data.

Same sequences, config, seed and number of threads: same weights. Budgets are epochs, never seconds.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from components.compute import ON_CPU, Compute
from components.recommender.fast_matmul import fast_matmul
from components.recommender.networks.mixer_networks import Network
from components.recommender.sequences import TrainingSequences
from components.recommender.training.checkpoint import read_checkpoint, write_checkpoint
from components.recommender.training.clipped_adamw import ClippedAdamW
from components.recommender.training.spectral_start import spectral_vectors
from components.recommender.training.trim_heap import trim_heap
from components.recommender.training.windows import cut_windows, known_before, pad_runs, window_batches

GIVE_BACK_EVERY = 100  # steps: on Beauty .15 s in some ten, and a peak of 1.4 GB instead of 1.7


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How long and how hard to train."""

    start_length: float = (
        1.0  # of item vectors at first, from the spectrum of who has what; 0 starts at noise
    )
    epochs: int = 40
    batch_size: int = 32  # windows
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.1  # of all steps
    clip_norm: float = 1.0
    stride: int = 50  # targets of one window of a user longer than max_length; less gives each more history
    strict_time: bool = True  # predict from earlier seconds only, as a rolling replay asks
    validation: Literal["time", "last", "none"] = "time"  # hold out the latest events, or each user's last
    validation_share: float = 0.05  # of the events, for "time"
    max_validation_targets: int = 2000
    evaluate_every: int = 2  # epochs
    patience: int = 4  # evaluations without a better one

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.stride, self.evaluate_every, self.patience) < 1:
            raise ValueError("epochs, batch_size, stride, evaluate_every and patience must be at least 1")
        if not 0 < self.validation_share < 1:
            raise ValueError(f"validation_share is {self.validation_share}; it is a share, between 0 and 1")


@dataclass(frozen=True, kw_only=True)
class Step:
    """What `on_step` is told after every optimizer step."""

    step: int  # from 1
    num_steps: int  # planned; early stopping may end before
    epoch: int
    loss: float
    validation_ndcg: float | None  # NDCG@10 on the held-out targets, where this step was evaluated


OnStep = Callable[[Step], None]


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
) -> None:
    """Train in place and leave the best weights (by validation NDCG@10; the last ones without validation).

    With `checkpoint`, the state is written there after every epoch, and a file that is there already is gone
    on from, to the same weights as without the break; remove it when the weights are safe. The network is back
    on the CPU when this returns.

    Raises TrainingDiverged naming the step, DeviceUnavailable, CheckpointMismatch.
    """
    device = compute.usable_device()
    rng = np.random.default_rng(seed)
    known = known_before(sequences, strict_time=config.strict_time)
    is_held_out = held_out(sequences, config)
    validation = _validation_targets(sequences, is_held_out, config, rng)
    if config.start_length:
        dim = network.items.tables.shape[1]
        start = spectral_vectors(sequences, dim, length=config.start_length, seed=seed)
        network.begin_at(torch.from_numpy(start))
    descent = ClippedAdamW(network.to(device), config)
    read_states = torch.compile(network.states, dynamic=True) if compute.compile else network.states
    progress = _Progress()
    key = "" if checkpoint is None else training_key(network, sequences, (config, compute, max_length, seed))
    if checkpoint is not None and (saved := read_checkpoint(checkpoint, key)) is not None:
        network.load_state_dict(saved["network"])
        descent.optimizer.load_state_dict(saved["optimizer"])
        rng.bit_generator.state = saved["rng"]
        progress = _Progress(**saved["progress"])
        descent.steps = saved["steps"]
    for epoch in range(progress.epoch, config.epochs):
        if progress.stale >= config.patience:
            break
        windows = cut_windows(sequences, max_length=max_length, stride=config.stride, rng=rng)
        batches = list(
            window_batches(
                sequences, windows, known=known, is_target=~is_held_out, batch_size=config.batch_size, rng=rng
            )
        )
        num_steps = config.epochs * len(batches)
        network.train()
        for at, batch in enumerate(batches):
            batch = batch.to(device)
            with compute.autocast():
                vectors = network.items()
                states = read_states(vectors, batch.items, batch.times).flatten(0, 1)[batch.state_at]
                loss = network.loss(states, vectors, batch.targets)
            value = descent.step(loss, num_steps=num_steps, epoch=epoch)
            if descent.steps % GIVE_BACK_EVERY == 0:
                trim_heap()
            ends = at == len(batches) - 1
            due = ends and ((epoch + 1) % config.evaluate_every == 0 or epoch + 1 == config.epochs)
            ndcg = None
            if due and len(validation):
                ndcg = validation_ndcg(network, sequences, validation, known, max_length=max_length)
                progress.stale += 1
                if ndcg > progress.best:
                    progress.best, progress.stale = ndcg, 0
                    progress.best_weights = copy.deepcopy(network.state_dict())
            if on_step is not None:
                done = descent.steps
                on_step(Step(step=done, num_steps=num_steps, epoch=epoch, loss=value, validation_ndcg=ndcg))
        progress.epoch = epoch + 1
        if checkpoint is not None:
            state = {
                "network": network.state_dict(),
                "optimizer": descent.optimizer.state_dict(),
                "steps": descent.steps,
                "rng": rng.bit_generator.state,
                "progress": vars(progress),
            }
            write_checkpoint(checkpoint, key, state)
    if progress.best_weights is not None:
        network.load_state_dict(progress.best_weights)
    network.to("cpu").eval()


@dataclass
class _Progress:
    """How far a training is."""

    epoch: int = 0  # finished
    best: float = -1.0
    stale: int = 0  # evaluations since the best one
    best_weights: dict[str, Tensor] | None = None


def training_key(network: nn.Module, sequences: TrainingSequences, settings: object) -> str:
    """Digest of what a training's result depends on: data, settings, and the network's own, codes included."""
    content = hashlib.sha256(repr((settings, torch.get_num_threads())).encode())
    content.update(repr([(name, tuple(w.shape)) for name, w in network.state_dict().items()]).encode())
    for name, module in network.named_modules():
        own = {
            key: value
            for key, value in sorted(vars(module).items())
            if key == "config" or (key != "training" and isinstance(value, (int, float, str, tuple)))
        }
        content.update(repr((name, type(module).__name__, own)).encode())
    for buffer in network.buffers():
        content.update(buffer.cpu().numpy().tobytes())
    for column in (sequences.items, sequences.times, sequences.offsets):
        content.update(np.ascontiguousarray(column).tobytes())
    return content.hexdigest()[:16]


def held_out(sequences: TrainingSequences, config: TrainingConfig) -> Bool[np.ndarray, "event"]:
    """Which events are no training targets: the latest in time, or the last of each user with three or more.

    Nothing is held out where that would leave nothing to train on.
    """
    is_held_out = np.zeros(len(sequences.items), dtype=bool)
    if config.validation == "time" and len(sequences.items):
        cut = np.quantile(sequences.times, 1 - config.validation_share, method="higher")
        is_held_out = sequences.times >= cut
    elif config.validation == "last":
        is_long = np.diff(sequences.offsets) >= 3
        is_held_out[sequences.offsets[1:][is_long] - 1] = True
    return is_held_out if not is_held_out.all() else np.zeros_like(is_held_out)


def _validation_targets(
    sequences: TrainingSequences,
    is_held_out: Bool[np.ndarray, "event"],
    config: TrainingConfig,
    rng: np.random.Generator,
) -> Int[np.ndarray, "T"]:
    """Held-out events to rank: items that training knows and the user did not have before."""
    key = sequences.user_of_event() * np.int64(sequences.num_items) + sequences.items
    is_first = np.zeros(len(key), dtype=bool)
    is_first[np.unique(key, return_index=True)[1]] = True
    is_known = np.isin(sequences.items, np.unique(sequences.items[~is_held_out]))
    found = np.flatnonzero(is_held_out & is_first & is_known)
    if len(found) > config.max_validation_targets:
        found = np.sort(rng.choice(found, config.max_validation_targets, replace=False))
    return found


@torch.inference_mode()
def validation_ndcg(
    network: Network,
    sequences: TrainingSequences,
    targets: Int[np.ndarray, "T"],
    known: Int[np.ndarray, "event"],
    *,
    max_length: int,
    batch_size: int = 128,
) -> float:
    """Mean 1 / log2(1 + rank) of the targets that rank within ten, earlier items of the user left out."""
    network.eval()
    vectors = network.items()
    device = vectors.device
    opens = sequences.offsets[sequences.user_of_event()]
    gains = 0.0
    for chunk in np.split(targets, range(batch_size, len(targets), batch_size)):
        end = known[chunk]
        items, times = pad_runs(
            sequences.items, sequences.times, np.maximum(opens[chunk], end - max_length), end
        )
        state_at = torch.from_numpy(np.minimum(end - opens[chunk], max_length)).to(device)
        states = network.states(
            vectors, torch.from_numpy(items).to(device), torch.from_numpy(times).to(device)
        )
        scores = network.log_scores(states[torch.arange(len(chunk), device=device), state_at], vectors)
        target = network.place[torch.from_numpy(sequences.items[chunk].astype(np.int64)).to(device)]
        wanted = scores.gather(1, target[:, None])
        earlier = end - opens[chunk]
        row = np.repeat(np.arange(len(chunk)), earlier)
        event = (
            np.arange(earlier.sum()) - np.repeat(np.cumsum(earlier) - earlier, earlier) + opens[chunk][row]
        )
        seen = network.place[torch.from_numpy(sequences.items[event].astype(np.int64)).to(device)]
        scores[torch.from_numpy(row).to(device), seen] = -torch.inf
        rank = 1 + (scores > wanted).sum(dim=1)
        gains += float((rank <= 10).div(torch.log2(rank + 1.0)).sum())
    return gains / len(targets)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Initial weights and dropout from the seed, fast matrix products, and the caller's state untouched."""
    with fast_matmul(), torch.random.fork_rng():  # of the CPU and of every GPU there is
        torch.manual_seed(seed)
        yield
