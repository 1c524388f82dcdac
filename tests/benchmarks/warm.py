"""A chain of ten warm starts against a cold training: what is lost in NDCG@10, and what is saved in CPU seconds.

The last three tenths of the events are cut into eleven windows. An arm is trained cold before the first of them, and
warm-started before each of the ten others, from the arm before it; at each step of COLD_AT another arm is trained cold
on the same events. Both are asked for a list before every event of the next window; a user's NDCG@10 is the mean
over their lists, and users are resampled in pairs. One tokenizer gives all semantic IDs, and new items theirs.

How many epochs, and at what share of the learning rate, was chosen by `choose` on the window before the first cut.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from components.evaluation.bootstrap import bootstrap_means, interval
from components.features.vectors import ItemVectors
from components.recommender.arm import Arm, Histories
from components.recommender.arm_config import NetworkConfig, config_of
from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.fusion import train_fusion
from components.recommender.arms.mmgrec import train_mmgrec
from components.recommender.arms.semantic_sasrec import train_semantic_sasrec
from components.recommender.arms.tiger import train_tiger
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.names import SEMANTIC_ID_ARMS, ArmName
from components.recommender.presets import density_of
from components.recommender.sequences import TrainingSequences
from components.recommender.training.windows import known_before
from components.recommender.warm_start import warmed
from components.tokenizer.fit import Fitted
from components.tokenizer.ids import SemanticIds, append
from tests.benchmarks.datasets import Dataset
from tests.benchmarks.leave_one_out import PLACES, places
from tests.benchmarks.leave_one_out import ndcg as gains_of
from tests.benchmarks.semantic_codes import first_ids, fit_on_training, modalities

ARMS: tuple[ArmName, ...] = ("sasrec", "mmgrec")
STEPS = 10
COLD_AT = (1, 5, 10)
FIRST_CUT = 0.7  # of the events
RESAMPLES = 10_000
CHOICES = ((3, 1.0), (3, 0.3), (2, 1.0))  # epochs, share of the learning rate


@dataclass(frozen=True, kw_only=True)
class Ids:
    """The table as it grows, and the tokenizer that gives new items theirs."""

    fitted: Fitted
    table: SemanticIds


@dataclass(frozen=True, kw_only=True)
class Made:
    """A trained arm and what it took."""

    arm: Arm
    cpu_seconds: float
    epochs: int


def warm(data: Dataset, arms: tuple[ArmName, ...], seed: int) -> dict[str, Any]:
    """Each arm's chain; figures of the steps of COLD_AT."""
    torch.set_num_threads(1)
    return {"seed": seed, "arms": {arm: Chain(data, arm, seed).figures() for arm in arms}}


def choose(data: Dataset, arms: tuple[ArmName, ...], seed: int) -> dict[str, Any]:
    """NDCG@10 on the window before the first cut, after two warm starts by each of CHOICES, and of a cold training."""
    torch.set_num_threads(1)
    return {arm: Chain(data, arm, seed).choices() for arm in arms}


class Chain:
    """One arm on one data set, its tokenizer fitted three windows before the first cut."""

    def __init__(self, data: Dataset, arm: ArmName, seed: int) -> None:
        self.data, self.events, self.arm, self.seed = data, data.events, arm, seed
        times = np.sort(self.events.times)
        shares = FIRST_CUT + (1 - FIRST_CUT) / (STEPS + 1) * np.arange(-3, STEPS + 2)
        at = np.minimum((shares * len(times)).round().astype(int), len(times) - 1)
        self.cuts = {step: int(times[place]) for step, place in zip(range(-3, STEPS + 2), at, strict=True)}
        self.cuts[STEPS + 1] += 1  # the last event lies within its window
        self.ids = self._first_ids() if arm in SEMANTIC_ID_ARMS else None

    def figures(self) -> dict[str, Any]:
        chained, spent, steps = self._trained(0), 0.0, {}
        every: list[tuple[Float[np.ndarray, "user"], Float[np.ndarray, "user"]]] = []
        for step in range(1, STEPS + 1):
            chained = self._trained(step, chained.arm)
            spent += chained.cpu_seconds
            if step not in COLD_AT:
                continue
            cold = self._trained(step)
            one, other = (self.ndcg(made.arm, step) for made in (chained, cold))
            every.append((one, other))
            steps[f"step_{step}"] = compared(one, other) | {
                "warm_epochs": chained.epochs, "cold_epochs": cold.epochs,
                "warm_cpu_seconds": chained.cpu_seconds, "cold_cpu_seconds": cold.cpu_seconds,
                "chain_cpu_seconds": spent,
            }  # fmt: skip
            print(self.arm, step, steps[f"step_{step}"], file=sys.stderr, flush=True)
        steps["all_steps"] = compared(*(np.concatenate(column) for column in zip(*every, strict=True)))
        return steps

    def choices(self) -> dict[str, Any]:
        first, told = self._trained(-3), {}
        told["cold"] = float(self.ndcg(self._trained(-1).arm, -1).mean())
        for choice in CHOICES:
            made = self._trained(-1, self._trained(-2, first.arm, choice).arm, choice)
            told[f"{choice[0]} epochs, {choice[1]:g}"] = float(self.ndcg(made.arm, -1).mean())
            print(self.arm, told, file=sys.stderr, flush=True)
        return told

    def _trained(self, step: int, begin: Arm | None = None, choice: tuple[int, float] | None = None) -> Made:
        """On all events before the step's cut; from weights, if there are any, by `choice`, else as shipped."""
        sequences = self.before(step)
        config = config_of(self.arm, "default", density_of(sequences))
        if begin is not None:
            config = warmed(config) if choice is None else _chosen(config, choice)
        codes, sizes = self._codes(sequences)
        start = time.process_time()
        arm = _train(self.arm, sequences, codes, sizes, config, self.seed, begin)
        return Made(arm=arm, cpu_seconds=time.process_time() - start, epochs=config.training.epochs)

    def before(self, step: int) -> TrainingSequences:
        """Events before the cut, over the items that they name."""
        is_before = self.events.times < self.cuts[step]
        owner = np.repeat(np.arange(self.events.num_users), np.diff(self.events.offsets))[is_before]
        named, items = np.unique(self.events.items[is_before], return_inverse=True)
        lengths = np.bincount(owner, minlength=self.events.num_users)
        return TrainingSequences(
            item_ids=self.events.item_ids[named],
            items=items.astype(np.int32),
            times=self.events.times[is_before],
            offsets=np.concatenate([[0], np.cumsum(lengths[lengths > 0])]),
        )

    def ndcg(self, arm: Arm, step: int) -> Float[np.ndarray, "user"]:
        """Of every user with an event in the window after the cut that something of theirs precedes."""
        events, candidates = self.events, np.isin(self.events.item_ids, self.before(step).item_ids)
        owner = np.repeat(np.arange(events.num_users), np.diff(events.offsets))
        whole = TrainingSequences(
            item_ids=events.item_ids, items=events.items, times=events.times, offsets=events.offsets
        )
        known = known_before(whole, strict_time=True)
        asked = np.flatnonzero(
            (events.times >= self.cuts[step])
            & (events.times < self.cuts[step + 1])
            & (known > events.offsets[owner])
        )
        lists = arm.recommend(
            Histories(
                catalogue=events.item_ids, items=events.items, times=events.times,
                start=events.offsets[owner[asked]], end=known[asked],
            ),
            k=PLACES, candidates=candidates,
        )  # fmt: skip
        gains = gains_of(places(lists, events.items[asked]))
        _, user = np.unique(owner[asked], return_inverse=True)
        return np.bincount(user, weights=gains) / np.bincount(user)

    def _first_ids(self) -> Ids:
        sequences = self.before(-3)
        content = self.data.content()
        self.vectors, self.present = modalities(content)
        rows = np.isin(content.item_ids, sequences.item_ids)
        fitted = fit_on_training(sequences, _rows_of(content, rows), self.seed)
        return Ids(fitted=fitted, table=first_ids(sequences, fitted))

    def _codes(self, sequences: TrainingSequences) -> tuple[Int[np.ndarray, "item level"], list[int]]:
        """Codes of the items, row by row, new ones given theirs by content; and the sizes of the tables."""
        if self.ids is None:
            return np.zeros((sequences.num_items, 0), dtype=np.int64), []
        fitted, table = self.ids.fitted, self.ids.table
        if len(new := np.setdiff1d(sequences.item_ids.astype(str), table.item_ids.astype(str))):
            rows = np.isin(self.events.item_ids.astype(str), new)
            codes = fitted.tokenizer.assign(
                {name: one[rows] for name, one in self.vectors.items()},
                {name: one[rows] for name, one in self.present.items()},
            )
            table = append(table, self.events.item_ids[rows], codes)
            self.ids = Ids(fitted=fitted, table=table)
        place = {item: row for row, item in enumerate(table.item_ids)}
        rows_now = np.array([place[item] for item in sequences.item_ids])
        return table.codes[rows_now], fitted.tokenizer.table_sizes(table)


def _train(
    arm: ArmName, sequences: TrainingSequences, codes: Int[np.ndarray, "item level"], sizes: list[int],
    config: NetworkConfig, seed: int, begin: Arm | None,
) -> Arm:  # fmt: skip
    given: Any = {"seed": seed, "begin": begin}
    chosen = cast(Any, config)
    match arm:
        case (
            "sasrec"
            | "hstu"
            | "fmlp"
            | "gru4rec"
            | "bert4rec"
            | "gsasrec"
            | "tim4rec"
            | "lightgcn"
            | "onepiece"
        ):
            return train_dense(arm, sequences, vocabulary_of(sequences), chosen, **given)
        case "tiger":
            return train_tiger(sequences, codes, chosen, num_codes=sizes, **given)
        case "semantic_sasrec":
            return train_semantic_sasrec(sequences, codes, chosen, num_codes=sizes, **given)
        case "fusion":
            return train_fusion(sequences, codes, chosen, num_codes=sizes, **given)
        case "mmgrec" | "mmgrec_paper":
            return train_mmgrec(sequences, codes, chosen, num_codes=sizes, **given)
    raise ValueError(
        f"{arm} is solved and not trained, or reads what this does not make: content, event types"
    )


def _rows_of(content: ItemVectors, rows: Bool[np.ndarray, "item"]) -> ItemVectors:
    return replace(
        content,
        item_ids=content.item_ids[rows],
        vectors={name: content.vectors[name][rows] for name in content.modalities},
        present={name: content.present[name][rows] for name in content.modalities},
    )


def _chosen(config: NetworkConfig, choice: tuple[int, float]) -> NetworkConfig:
    epochs, share = choice
    rate = share * config.training.learning_rate
    given = warmed(config)
    training: Any = replace(cast(Any, given.training), epochs=epochs, learning_rate=rate)
    return replace(given, training=training)


def compared(warm: Float[np.ndarray, "user"], cold: Float[np.ndarray, "user"]) -> dict[str, Any]:
    """Means with 95 % intervals, and the paired difference with its own."""
    columns = np.column_stack([warm, cold, warm - cold])
    means = bootstrap_means(columns, resamples=RESAMPLES, seed=0)
    found = {}
    for name, column, drawn in zip(("warm", "cold", "warm_minus_cold"), columns.T, means.T, strict=True):
        low, high = interval(drawn, column, kind="bca")
        found[name] = {"ndcg": float(column.mean()), "low": low, "high": high}
    return {"users": len(warm), **found}


def main() -> None:
    """`python -m tests.benchmarks.warm ARMS`: the choice of epochs and learning rate."""
    import json

    from tests.benchmarks.datasets import open_dataset
    from tests.benchmarks.surroundings import results_folder

    arms = cast(tuple[ArmName, ...], tuple(sys.argv[1].split(",")) if len(sys.argv) > 1 else ARMS)
    print(json.dumps(choose(open_dataset("ml100k", results_folder() / "sources"), arms, 1)))


if __name__ == "__main__":
    main()
