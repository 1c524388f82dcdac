"""One way to a top ten over a prepared catalogue: a line of figures. Run by `catalogue.py`, a process each.

python -m tests.benchmarks.catalogue_process generative FOLDER
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from components.recommender.arm import Histories
from components.recommender.arms.mmgrec import MMGRecArm
from components.recommender.decoding.requests import rank_proposals
from components.recommender.networks.tuple_scores import tuple_log_probs
from tests.benchmarks import catalogue_world as world
from tests.benchmarks.peak_memory import peak_mb

PLACES, BATCH = 10, 64
ALONE = 24  # requests that are asked one by one
COMPARED = 12  # users whose beam is held against exact scoring of every tuple
RECALL = 0.95
BEAMS = ((30, 8), (60, 16), (120, 32), (240, 64), (480, 128), (960, 256))  # and first codes kept
Rank = Callable[[Histories], object]


def generative(folder: Path) -> dict[str, object]:
    """By the narrowest beam that reaches the recall; the last one tried if none does. And by the shipped width."""
    arm = world.generative_arm(folder)
    asked = world.histories(folder, arm.vocabulary.item_ids)
    shipped = (arm.config.beam_size, arm.config.first_beam_size or arm.config.beam_size)
    found: dict[str, object] = {
        f"shipped_{name}": value
        for name, value in _speed(lambda some: arm.recommend(some, k=PLACES), asked).items()
    }
    found["peak_mb"] = peak_mb()
    few = part(asked, 0, COMPARED)
    exact = _exact_hybrid(arm, few)
    recalls = {}
    for beam, first in BEAMS:
        narrow = arm.decoding("hybrid", beam_size=beam, first_beam_size=first)
        recalls[beam] = world.share_found(narrow.recommend(few, k=PLACES).items, exact)
        if recalls[beam] >= RECALL:
            break
    found |= {"beams": beam, "recall": recalls[beam], "recalls": recalls, "shipped_beams": shipped[0]}
    if beam == shipped[0]:
        return found | {name: found[f"shipped_{name}"] for name in ("alone", "batched")}
    return found | _speed(lambda some: narrow.recommend(some, k=PLACES), asked)


def _exact_hybrid(arm: MMGRecArm, asked: Histories) -> np.ndarray:
    """Lists by the same scores of every item, one user at a time."""
    lists = []
    rows = np.arange(len(asked.catalogue))
    with torch.inference_mode():
        vectors = arm.network.items()
        for user in range(len(asked)):
            own = torch.from_numpy(rows[asked.items[asked.start[user] : asked.end[user]]])
            times = torch.from_numpy(asked.times[asked.start[user] : asked.end[user]])
            state = arm.network.states(vectors, own[None], times[None])[:, -1]
            share = arm.config.hybrid_share
            tuples = tuple_log_probs(arm.network.head, arm.trie, state)[0]
            score = (1 - share) * tuples + share * (vectors[arm.trie.items] @ state[0])
            score[arm.trie.leaf_of_item(len(vectors))[own]] = -torch.inf
            lists.append(arm.trie.items[score.topk(PLACES).indices].numpy())
    return np.stack(lists)


def dense(folder: Path) -> dict[str, object]:
    """Every item scored by its vector; leaves for the index what it is asked and what it should find."""
    arm = world.dense_arm(folder)
    asked = world.histories(folder, arm.vocabulary.item_ids)
    found: dict[str, object] = {**_speed(lambda some: arm.recommend(some, k=PLACES), asked), "recall": 1.0}
    found["peak_mb"] = peak_mb()
    with torch.inference_mode():
        items = torch.from_numpy(asked.items.reshape(len(asked), -1))
        times = torch.from_numpy(asked.times.reshape(len(asked), -1))
        states = arm.network.states(arm.network.items(), items, times)[:, -1]
    world.write_queries(folder, states.numpy(), arm.recommend(asked, k=PLACES).items)
    return found


def states(folder: Path) -> dict[str, object]:
    """The request and the mixer alone: what stands before the question to an index too."""
    arm = world.dense_arm(folder)
    rows = np.arange(len(arm.vocabulary))
    vectors = arm.network.items().detach()
    allowed = arm._rows.allowed(arm._rows.of(arm.vocabulary.item_ids), None)

    def rank(some: Histories) -> object:
        return rank_proposals(
            propose, some, rows, k=PLACES, candidates=None, exclude_seen=True, max_length=50,
            batch_size=BATCH, allowed=allowed,
        )  # fmt: skip

    def propose(batch: object, _: object) -> tuple[torch.Tensor, torch.Tensor]:
        found = arm.network.states(vectors, batch.items, batch.times)  # type: ignore[attr-defined]
        return torch.arange(PLACES).expand(len(found), -1), found[:, -1, :PLACES]

    with torch.inference_mode():
        return {**_speed(rank, world.histories(folder, arm.vocabulary.item_ids))}


def _speed(rank: Rank, asked: Histories) -> dict[str, float]:
    """Users a CPU second: asked one by one, and in batches."""
    rank(part(asked, 0, BATCH))
    rank(part(asked, 0, 1))
    alone = [_seconds(rank, part(asked, user, user + 1)) for user in range(ALONE)]
    batched = [_seconds(rank, part(asked, at, at + BATCH)) for at in range(0, len(asked), BATCH)]
    return {"alone": 1 / float(np.median(alone)), "batched": BATCH / float(np.median(batched))}


def _seconds(rank: Rank, some: Histories) -> float:
    begin = time.process_time()
    rank(some)
    return time.process_time() - begin


def part(asked: Histories, first: int, last: int) -> Histories:
    return replace(asked, start=asked.start[first:last], end=asked.end[first:last])


if __name__ == "__main__":
    torch.set_num_threads(1)
    ways = {"generative": generative, "dense": dense, "states": states}
    print(json.dumps(ways[sys.argv[1]](Path(sys.argv[2]))))
