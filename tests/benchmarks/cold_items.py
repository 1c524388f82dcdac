"""Cold items: a tenth of the items loses every training event; who recommends them to those who took them?

Each user's latest fifth of events (one at least) is to be told from the rest. The tokenizer, its encoders
and every arm are fitted on warm items alone; a cold item then gets a semantic ID from its content, without
edges, and the arm gets the ID; an arm that reads content gets that. Recall@10 over the users who took a cold item
among their latest, once with cold items as the only candidates, once with all items; seen items are left out. Then all
items again, with shares of the places for cold items (of arms that give any), and what those cost the warm items among
the latest: NDCG@10, user by user.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from components.evaluation.comparison import Pairing, compare_pairs
from components.evaluation.ranking import Relevant, rank_metrics
from components.features.vectors import ItemVectors
from components.recommender.arm import Arm, Histories, takes_content
from components.recommender.new_item_share import NewItemShare, raises_new_items, with_share
from components.recommender.sequences import TrainingSequences
from components.tokenizer.ids import append
from tests.benchmarks.arms import ARMS
from tests.benchmarks.datasets import Dataset
from tests.benchmarks.leave_one_out import PLACES, LeaveOneOut
from tests.benchmarks.semantic_codes import first_ids, fit_on_training, modalities

COLD_SHARE = 0.1  # of the items
LATEST_SHARE = 0.2  # of each user's events
SHARES = (0.02, 0.05, 0.1, 0.2)  # of the places, for items without a training event
RECENT = 20  # events of the history that content neighbours look at
# those that can take an item by its code, and by what it is; as far as ARMS has them
COLD_ARMS, CONTENT_ARMS = ("mmgrec", "semantic_sasrec"), ("hstu_text", "m2trec", "alpharec", "rlmrec")


class NoContent(ValueError):
    """The data set says nothing of its items, so nothing can be said of cold ones."""


@dataclass(frozen=True, kw_only=True)
class ColdSplit:
    """Positions of items are those of the data set, but in `training`, whose vocabulary is the warm items."""

    is_cold: Bool[np.ndarray, "item"]
    training: TrainingSequences
    histories: Histories  # of the asked users: their warm events before the latest
    relevant: Relevant  # their cold items among the latest, those they did not take before
    warm_histories: Histories  # the same of those who have a warm item there
    warm_relevant: Relevant  # their warm items among the latest

    @property
    def num_asked(self) -> int:
        return len(self.relevant)


def split_cold(events: LeaveOneOut, seed: int) -> ColdSplit:
    """Draw the cold items, cut off the latest events, and take the cold items out of what is before."""
    is_cold = np.zeros(events.num_items, dtype=bool)
    drawn = np.random.default_rng(seed).permutation(events.num_items)
    is_cold[drawn[: max(1, round(COLD_SHARE * events.num_items))]] = True

    lengths = np.diff(events.offsets)
    latest = np.maximum(1, np.floor(LATEST_SHARE * lengths)).astype(np.int64)
    user = np.repeat(np.arange(events.num_users), lengths)
    is_latest = np.arange(len(events.items)) >= (events.offsets[1:] - latest)[user]
    keeps = ~is_latest & ~is_cold[events.items]

    warm_row = np.cumsum(~is_cold) - 1
    counts = np.bincount(user[keeps], minlength=events.num_users)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    training = TrainingSequences(
        item_ids=events.item_ids[~is_cold],
        items=warm_row[events.items[keeps]].astype(np.int32),
        times=events.times[keeps],
        offsets=np.concatenate([[0], np.cumsum(counts[counts > 0])]),
    )
    # what a user took before is no discovery, even where its event was taken out of training
    key = user.astype(np.int64) * events.num_items + events.items

    def asked_for(which: Bool[np.ndarray, "item"]) -> tuple[Histories, Relevant]:
        wanted = np.setdiff1d(key[is_latest & which[events.items]], key[~is_latest])
        asked, counts = np.unique(wanted // events.num_items, return_counts=True)
        histories = Histories(
            catalogue=events.item_ids,
            items=events.items[keeps],
            times=events.times[keeps],
            start=offsets[asked],
            end=offsets[asked + 1],
        )
        return histories, Relevant(
            offsets=np.concatenate([[0], np.cumsum(counts)]), items=wanted % events.num_items
        )

    (histories, relevant), (warm_histories, warm_relevant) = asked_for(is_cold), asked_for(~is_cold)
    return ColdSplit(
        is_cold=is_cold,
        training=training,
        histories=histories,
        relevant=relevant,
        warm_histories=warm_histories,
        warm_relevant=warm_relevant,
    )


def cold_items(data: Dataset, seed: int) -> dict[str, Any]:
    """Recall@10 of each arm under both sets of candidates. Raises NoContent."""
    split = split_cold(data.events, seed)
    content = data.content(fitted_on=~split.is_cold)
    if not content.modalities:
        raise NoContent(f"{data.name}: items have neither text, image nor attributes; pass other data")
    recall: dict[str, dict[str, float]] = {"cold_candidates": {}, "all_candidates": {}}
    shares: dict[str, list[dict[str, Any]]] = {}

    def note(name: str, lists: dict[str, Int[np.ndarray, "R k"]]) -> None:
        for candidates, found in lists.items():
            gains = rank_metrics(found, split.relevant, [f"recall@{PLACES}"], num_items=data.events.num_items)
            recall[candidates][name] = float(gains[f"recall@{PLACES}"].mean())

    for name, arm in _cold_arms(split, content, seed).items():
        note(
            name,
            {
                "cold_candidates": arm.recommend(split.histories, k=PLACES, candidates=split.is_cold).items,
                "all_candidates": arm.recommend(split.histories, k=PLACES).items,
            },
        )
        if raises_new_items(arm) or takes_content(arm):
            shares[name] = at_shares(split, arm)
    scores = content_scores(split.histories, unit_content(content))
    note(
        "content_neighbours",
        {
            "cold_candidates": _top(np.where(split.is_cold, scores, -np.inf)),
            "all_candidates": _top(scores),
        },
    )
    return {
        "seed": seed,
        "users": split.num_asked,
        "items": data.events.num_items,
        "cold": int(split.is_cold.sum()),
        **recall,
        "shares": shares,
        "chance_cold_candidates": PLACES / int(split.is_cold.sum()),
    }


def at_shares(split: ColdSplit, arm: Arm) -> list[dict[str, Any]]:
    """Of each of SHARES, 0 first: places of items without an event in training, cold ones and those that nobody took

    before the latest; of the cold ones alone; their recall, and what the share costs the warm.
    """
    whole = len(split.is_cold)
    trained = split.training.item_ids[np.unique(split.training.items)]
    is_new = ~np.isin(split.histories.catalogue, trained)

    def warm_lists(one: Arm) -> Int[np.ndarray, "R k"]:
        return one.recommend(split.warm_histories, k=PLACES).items

    def ndcg(lists: Int[np.ndarray, "R k"]) -> Float[np.ndarray, "R"]:
        return rank_metrics(lists, split.warm_relevant, [f"ndcg@{PLACES}"], num_items=whole)[f"ndcg@{PLACES}"]

    without, told = ndcg(warm_lists(arm)), []
    for share in (0.0, *(SHARES if raises_new_items(arm) else ())):
        raised = with_share(arm, split.training, NewItemShare(share=share)) if share else arm
        lists = warm_lists(raised)
        found = raised.recommend(split.histories, k=PLACES).items
        recall = rank_metrics(found, split.relevant, [f"recall@{PLACES}"], num_items=whole)[
            f"recall@{PLACES}"
        ]
        (cost,) = compare_pairs(
            [Pairing(
                challenger="with", baseline="without", metric="ndcg@10", slice="all",
                challenger_values=ndcg(lists), baseline_values=without,
            )],
            permutations=0,
        )  # fmt: skip
        shown = lists[lists >= 0]
        told.append({
            "share": share, "places": float(is_new[shown].mean()),
            "places_of_cold": float(split.is_cold[shown].mean()), "recall": float(recall.mean()),
            "warm_ndcg": cost.challenger_mean, "cost": [cost.delta, cost.lower, cost.upper],
        })  # fmt: skip
    return told


def _cold_arms(split: ColdSplit, content: ItemVectors, seed: int) -> dict[str, Any]:
    """Every arm, trained on warm items, with the cold items' IDs given to those that take them."""
    torch.set_num_threads(1)
    warm = ItemVectors(
        item_ids=content.item_ids[~split.is_cold],
        vectors={name: content.vectors[name][~split.is_cold] for name in content.modalities},
        present={name: content.present[name][~split.is_cold] for name in content.modalities},
        encoders=content.encoders,
        health={},
    )
    fitted = fit_on_training(split.training, warm, seed)
    table = first_ids(split.training, fitted)
    cold_vectors, cold_present = modalities(content, split.is_cold)
    cold_codes = fitted.tokenizer.assign(cold_vectors, cold_present)
    extended = append(table, content.item_ids[split.is_cold], cold_codes)
    sizes = fitted.tokenizer.table_sizes(table)
    arms: dict[str, Any] = {"popularity": ARMS["popularity"].train(split.training, table.codes, seed, sizes)}
    for name in COLD_ARMS:
        if name in ARMS:
            trained = ARMS[name].train(split.training, table.codes, seed, sizes)
            extended_arm = trained.with_ids(extended.item_ids, extended.codes)
            arms |= {view: how.of(extended_arm) for view, how in ARMS[name].views.items()}
    for name in (name for name in CONTENT_ARMS if name in ARMS):
        trained = ARMS[name].train(split.training, table.codes, seed, sizes, warm.content)
        arms[name] = trained.with_content(content.item_ids, content.content)
    return arms


def unit_content(content: ItemVectors) -> Float[np.ndarray, "item dim"]:
    """All modalities side by side, each of length 1, or 0 where it is missing; the row of length 1."""
    whole = np.concatenate(
        [_unit(content.vectors[name]) * content.present[name][:, None] for name in content.modalities], axis=1
    )
    return _unit(whole)


def content_scores(
    histories: Histories, vectors: Float[np.ndarray, "item dim"]
) -> Float[np.ndarray, "R item"]:
    """Cosine of every item to the mean of the last items of each history; -inf for what is in it."""
    scores = np.zeros((len(histories), len(vectors)), dtype=np.float32)
    for row, (start, end) in enumerate(zip(histories.start, histories.end, strict=True)):
        if end > start:
            scores[row] = vectors @ vectors[histories.items[max(start, end - RECENT) : end]].mean(axis=0)
            scores[row, histories.items[start:end]] = -np.inf
    return scores


def _top(scores: Float[np.ndarray, "R item"]) -> Int[np.ndarray, "R k"]:
    order = np.argsort(-scores, axis=1, kind="stable")[:, :PLACES]
    return np.where(np.isneginf(np.take_along_axis(scores, order, axis=1)), -1, order)


def _unit(rows: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item dim"]:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
