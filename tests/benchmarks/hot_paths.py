"""What the hot paths cost, in CPU seconds and memory, on made-up data.

Figures of a shared machine are noise one by one: every part is the median of its runs, and the least of them
stands beside it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from components.evaluation.ranking import Relevant
from tests.benchmarks.peak_memory import peak_mb

RUNS = 5


def ranking() -> dict[str, float]:
    """NDCG@10 of 100,000 users × 100 places, one to ten relevant items each."""
    from components.evaluation.ranking import rank_metrics

    lists, relevant = made_up_lists(100_000)
    return _cost(lambda: rank_metrics(lists, relevant, ["ndcg@10"], num_items=10_000))


def made_up_lists(num_users: int) -> tuple[np.ndarray, Relevant]:
    """Lists of 100 different items out of 10,000, and relevant ones of which some are in the lists."""
    rng = np.random.default_rng(0)
    num_items = 10_000
    lists = (rng.integers(0, num_items, (num_users, 1)) + np.arange(100) * 97) % num_items
    counts = rng.integers(1, 11, num_users)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    owner = np.repeat(np.arange(num_users), counts)
    place = np.arange(offsets[-1]) - offsets[owner]
    items = (lists[owner, 0] + (place * 20 + rng.integers(0, 20, len(owner))) * 97) % num_items
    return lists, Relevant(offsets=offsets, items=items)


def bootstrap() -> dict[str, float]:
    """10,000 resamples over 100,000 users for eight metrics: means, and the shipped interval made of them."""
    from components.evaluation.bootstrap import bootstrap_means
    from components.evaluation.intervals import mean_intervals

    columns = np.random.default_rng(0).random((100_000, 8))
    whole = _cost(lambda: mean_intervals(columns, resamples=10_000, seed=7), runs=2)
    means = _cost(lambda: bootstrap_means(columns, resamples=10_000, seed=7), runs=2)
    return whole | {"means_alone_cpu_seconds": means["cpu_seconds_median"]}


def replay(cache: Path) -> dict[str, float]:
    """MovieLens-100K, window [.7, 1]: plan, then scores, comparisons, verdict of two arms and both popularity arms."""
    from components.evaluation.gate import small
    from components.evaluation.replay import ArmLists, Trial, evaluate
    from tests.benchmarks.movielens_replay import open_replay, plan_of, read_split

    opened = open_replay(cache)
    split, plan = read_split(cache), opened.plan
    arms = [
        ArmLists(name=name, lists=opened.lists(arm), train_end=plan.cut, digest=name)
        for name, arm in opened.arms.items()
    ]
    trial = Trial(challenger="ease", champion="ease_weak", profile=small())

    def judge() -> None:
        evaluate(plan_of(split), arms, trial)

    planned = _cost(lambda: plan_of(split), runs=3)["cpu_seconds_median"]
    return _cost(judge, runs=3) | {
        "plan_alone_cpu_seconds": planned,
        "users": len(plan.users),
        "lists": len(plan),
    }


def decoding() -> dict[str, float]:
    """Top 10 for 2,000 histories of 20 items by beam over a trie of 12,000 items; untrained weights."""
    import torch

    from components.recommender.arm import Histories
    from components.recommender.arms.mmgrec import train_mmgrec
    from components.recommender.presets import default_mmgrec
    from components.recommender.sequences import TrainingSequences

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    num_items, num_users = 12_000, 2_000
    catalogue = np.array([f"{item:05d}" for item in range(num_items)], dtype=object)
    codes = np.stack(
        [np.arange(num_items) // 47 % 256, rng.integers(0, 256, num_items), np.arange(num_items)], axis=1
    )
    config = default_mmgrec()
    short = replace(config.training, epochs=1)
    seen = rng.integers(0, num_items, (num_users, 20))
    sequences = TrainingSequences.from_lists(
        [catalogue[row].tolist() for row in seen[:50]], item_ids=catalogue
    )
    arm = train_mmgrec(sequences, codes, replace(config, training=short), seed=7)
    ends = np.arange(1, num_users + 1) * 20
    histories = Histories(
        catalogue=catalogue,
        items=seen.ravel(),
        times=np.tile(np.arange(20), num_users),
        start=ends - 20,
        end=ends,
    )
    cost = _cost(lambda: arm.recommend(histories, k=10), runs=3)
    return cost | {"users_per_cpu_second": num_users / cost["cpu_seconds_median"]}


def _cost(work: Callable[[], object], runs: int = RUNS) -> dict[str, float]:
    work()
    taken = []
    for _ in range(runs):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return {
        "cpu_seconds_median": statistics.median(taken),
        "cpu_seconds_least": min(taken),
        "process_peak_mb": peak_mb(),
    }
