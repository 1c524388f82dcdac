"""Held-out events: which they are, which of them are ranked, and how well.

The latest part of the training data, so that early stopping looks where the next events will be.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Int

from components.recommender.event_runs import flat_runs, pad_runs
from components.recommender.networks.mixer_networks import Network
from components.recommender.sequences import TrainingSequences
from components.recommender.training.ranks import ALONE, Ranks
from components.recommender.training.training_config import TrainingConfig


def held_out(sequences: TrainingSequences, config: TrainingConfig) -> Bool[np.ndarray, "event"]:
    """Which events are no training targets: the latest in time, or the last of each user with three or more.

    Nothing is held out where that would leave no target to train on.
    """
    is_held_out = np.zeros(len(sequences.items), dtype=bool)
    if config.validation == "time" and len(sequences.items):
        cut = np.quantile(sequences.times, 1 - config.validation_share, method="higher")
        is_held_out = sequences.times >= cut
    elif config.validation == "last":
        is_long = np.diff(sequences.offsets) >= 3
        is_held_out[sequences.offsets[1:][is_long] - 1] = True
    return is_held_out if (sequences.is_target & ~is_held_out).any() else np.zeros_like(is_held_out)


def validation_targets(
    sequences: TrainingSequences,
    is_held_out: Bool[np.ndarray, "event"],
    config: TrainingConfig,
    rng: np.random.Generator,
) -> Int[np.ndarray, "T"]:
    """Held-out events to rank: of some weight, items that training knows and the user did not have before."""
    # one number for user and item (64 bits: users times items outgrow 32)
    key = sequences.user_of_event() * np.int64(sequences.num_items) + sequences.items
    is_first = np.zeros(len(key), dtype=bool)
    is_first[np.unique(key, return_index=True)[1]] = True
    is_known = np.isin(sequences.items, np.unique(sequences.items[~is_held_out]))
    found = np.flatnonzero(is_held_out & is_first & is_known & sequences.is_target)
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
    ranks: Ranks = ALONE,
) -> float:
    """Mean 1 / log2(1 + rank) of the targets that rank within ten, earlier items of the user left out.

    Each of several ranks takes its share of the batches; all return the same, to the bit what one alone would.
    """
    network.eval()
    vectors = network.items()
    device = vectors.device
    opens = sequences.offsets[sequences.user_of_event()]
    chunks = np.split(targets, range(batch_size, len(targets), batch_size))
    gains = torch.zeros(len(chunks), dtype=torch.float64, device=device)
    for at in range(ranks.rank, len(chunks), ranks.world):
        chunk = chunks[at]
        end = known[chunk]
        items, times = pad_runs(
            sequences.items, sequences.times, np.maximum(opens[chunk], end - max_length), end
        )
        length = torch.from_numpy(np.minimum(end - opens[chunk], max_length)).to(device)
        states = network.last_states(
            vectors, torch.from_numpy(items).to(device), torch.from_numpy(times).to(device), length
        )
        scores = network.log_scores(states, vectors)
        target = network.place[torch.from_numpy(sequences.items[chunk].astype(np.int64)).to(device)]
        wanted = scores.gather(1, target[:, None])
        row, event = flat_runs(opens[chunk], end)
        seen = network.place[torch.from_numpy(sequences.items[event].astype(np.int64)).to(device)]
        scores[torch.from_numpy(row).to(device), seen] = -torch.inf
        # a tie counts for the target
        rank = 1 + (scores > wanted).sum(dim=1)
        gains[at] = (rank <= 10).div(torch.log2(rank + 1.0)).sum()
    return sum(ranks.sums(gains).tolist()) / len(targets)
