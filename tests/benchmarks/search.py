"""Search: what people call films, their tags, as queries; who finds the films that carry them?

Half of the tags chose every setting (`dev`), the other half is told. By the text vectors, by words, by both (what
`recloop search` does), and by a query tower that writes semantic IDs: the recommender's own, made of events and
content together, and others made of the text alone. Then for one user: whoever gave a film a tag, and took it among
their latest three tenths of events, is taken to have looked for it; their earlier events order what the search found.

The towers are trained on pieces of the items' own texts. Tags are left out of all that is searched and learned from,
but not out of the attributes that the recommender's IDs know of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from components.evaluation.comparison import Pairing, compare_pairs
from components.evaluation.ranking import Relevant, rank_metrics
from components.recommender import presets
from components.recommender.arm import Arm, Histories
from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.ease import fit_ease
from components.recommender.codes.trie import build_trie
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.networks.tuple_head import TupleHead
from components.recommender.networks.tuple_scores import tuple_log_probs
from components.recommender.sequences import TrainingSequences
from components.search.for_user import for_user, num_candidates
from components.search.item_search import ItemSearch, search_over
from components.tokenizer.choices import tokenizer_config
from components.tokenizer.fit import fit_tokenizer
from tests.benchmarks.datasets import Dataset, open_dataset
from tests.benchmarks.leave_one_out import PLACES
from tests.benchmarks.semantic_codes import first_ids, semantic_codes
from tests.benchmarks.surroundings import results_folder, shared_folder

LATEST_SHARE = 0.3  # of each user's events: those that a tag's giver may have looked for
PIECES, EPOCHS = 8, 25  # of an item's text that a tower learns from, and how often
_METRIC = f"ndcg@{PLACES}"
Scores = Callable[[Sequence[str]], Float[np.ndarray, "query item"]]


@dataclass(frozen=True, kw_only=True)
class Tags:
    """Each row: somebody gave this item this tag. Of the told half of the tags."""

    frame: pd.DataFrame  # user, item (positions in the events), tag

    def queries(self) -> tuple[list[str], Relevant]:
        """Each tag once, with all items that carry it."""
        told = self.frame.drop_duplicates(["tag", "item"]).sort_values(["tag", "item"])
        names, counts = np.unique(told["tag"], return_counts=True)
        return names.tolist(), Relevant(
            offsets=np.concatenate([[0], np.cumsum(counts)]), items=told["item"].to_numpy()
        )


def search(seed: int) -> dict[str, Any]:
    """Recall@10 and NDCG@10 by tag, and by tag and user. Raises SourceUnavailable where the films are not there."""
    torch.set_num_threads(1)
    data = open_dataset("films", results_folder() / "sources")
    tags, over = tags_of(data), search_over(data.catalogue.assign(attributes=None))
    queries, relevant = tags.queries()
    found: dict[str, Float[np.ndarray, "query item"]] = {}
    for name, scores in _searches(data, over, seed).items():
        found[name] = scores(queries)
    return {
        "seed": seed, "items": data.events.num_items, "tags": len(queries),
        "by_tag": {name: _figures(_top(scores), relevant, data.events.num_items) for name, scores in found.items()},
        "for_user": _for_users(data, tags, over, seed),
    }  # fmt: skip


def tags_of(data: Dataset) -> Tags:
    told = pd.read_csv(shared_folder() / "data" / "ml-latest-small-multimodal" / "tags.csv", dtype=str)
    users = {user: at for at, user in enumerate(data.events.user_ids)}
    items = {item: at for at, item in enumerate(data.events.item_ids)}
    told = told[told["user_id"].isin(users) & told["item_id"].isin(items)]
    frame = pd.DataFrame(
        {
            "user": told["user_id"].map(users),
            "item": told["item_id"].map(items),
            "tag": told["tag"].str.lower().str.strip(),
        }
    )
    frame = frame[frame["tag"] != "in netflix queue"]  # a list that somebody kept, not what a film is
    names = np.unique(frame["tag"])
    dev = names[np.random.default_rng(0).permutation(len(names))[: len(names) // 2]]
    return Tags(frame=frame[~frame["tag"].isin(dev)])


def _searches(data: Dataset, over: ItemSearch, seed: int) -> Mapping[str, Scores]:
    joint = semantic_codes(data, seed, results_folder() / "codes").table
    nobody = np.zeros((2, 0), dtype=np.int64)
    alone = fit_tokenizer(
        {"text": over.vectors}, {"text": over.has_text}, nobody, data.events.num_users,
        tokenizer_config("residual_kmeans", "default", seed=seed),
    )  # fmt: skip
    separate = first_ids(data.events.training(), alone).codes
    pieces = _pieces(data, over, seed)
    return {
        "text_vectors": lambda queries: over.encoder.encode(queries).vectors @ over.vectors.T,
        "words": over.words.scores,
        "both": lambda queries: over.scores(queries)[0],
        "tower_joint_ids": _tower(joint, pieces, over, seed),
        "tower_separate_ids": _tower(separate, pieces, over, seed),
    }


def _pieces(data: Dataset, over: ItemSearch, seed: int) -> tuple[Tensor, Tensor]:
    """Vectors of pieces of one to six words, two fifths of them of the title, and whose they are."""
    drawn = np.random.default_rng(seed)
    prose = data.catalogue[["title", "description", "categories"]].fillna("").agg(" ".join, axis=1)
    titles = data.catalogue["title"].fillna("")
    owner = np.tile(np.arange(len(prose)), PIECES)
    texts = []
    for item in owner:
        words = re.findall(r"\w+", titles.iat[item] if drawn.random() < 0.4 else prose.iat[item]) or ["?"]
        length = int(drawn.integers(1, 7))
        first = int(drawn.integers(0, max(1, len(words) - length + 1)))
        texts.append(" ".join(words[first : first + length]))
    return torch.from_numpy(over.encoder.encode(texts).vectors), torch.from_numpy(owner)


def _tower(
    codes: Int[np.ndarray, "item level"], pieces: tuple[Tensor, Tensor], over: ItemSearch, seed: int
) -> Scores:
    """A query's vector through two layers into the tuple head of the arms; every tuple is scored, none searched."""
    torch.manual_seed(seed)
    vectors, owner = pieces
    dim, sizes = 128, [int(size) + 1 for size in codes.max(axis=0)]
    # a vector of length 1 in many dimensions is small numbers; layers begin best at numbers about 1
    tower = nn.Sequential(nn.Linear(vectors.shape[1], 512), nn.GELU(), nn.Linear(512, dim))
    scale = vectors.shape[1] ** 0.5
    head = TupleHead(sizes, dim, 256, 0.0)
    table = torch.from_numpy(codes)
    steps = EPOCHS * (len(owner) // 512)
    weights = [*tower.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps, pct_start=0.1)
    for _ in range(EPOCHS):
        order = torch.randperm(len(owner))
        for rows in order[: len(order) // 512 * 512].split(512):
            state, wanted = tower(vectors[rows] * scale), table[owner[rows]]
            loss = state.new_zeros(())
            for level in range(len(sizes)):
                hidden = head.state(state, level) + head.prefix(wanted, level)
                scores = head.logits(hidden, level) + head.direct(state, level)
                loss = loss + F.cross_entropy(scores, wanted[:, level])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    trie = build_trie(codes, np.ones(len(codes), dtype=bool))
    leaf = np.argsort(trie.items.numpy())

    def score(queries: Sequence[str]) -> Float[np.ndarray, "query item"]:
        asked = torch.from_numpy(over.encoder.encode(queries).vectors) * scale
        with torch.inference_mode():
            return np.concatenate(
                [tuple_log_probs(head, trie, tower(some)).numpy()[:, leaf] for some in asked.split(128)]
            )

    return score


def _for_users(data: Dataset, tags: Tags, over: ItemSearch, seed: int) -> dict[str, Any]:
    """The one film that a user gave a tag, of those they had not had: by the search, and in their order."""
    events = data.events
    lengths = np.diff(events.offsets)
    kept = np.ceil((1 - LATEST_SHARE) * lengths).astype(np.int64)
    is_kept = np.arange(len(events.items)) < np.repeat(events.offsets[:-1] + kept, lengths)
    offsets = np.concatenate([[0], np.cumsum(kept)])
    earlier = TrainingSequences(
        item_ids=events.item_ids, items=events.items[is_kept], times=events.times[is_kept], offsets=offsets
    )
    had = set(zip(np.repeat(np.arange(events.num_users), kept), earlier.items, strict=True))
    latest = set(zip(np.repeat(np.arange(events.num_users), lengths), events.items, strict=True)) - had
    asked = tags.frame[[pair in latest for pair in zip(tags.frame["user"], tags.frame["item"], strict=True)]]
    queries = asked["tag"].unique().tolist()
    scores = dict(zip(queries, over.scores(queries)[0], strict=True))
    density = presets.density_of(earlier)
    arms: dict[str, Arm | None] = {
        "search": None,
        "in_the_order_of_ease": fit_ease(earlier, presets.default_ease(density)),
        "in_the_order_of_sasrec": train_dense(
            "sasrec", earlier, vocabulary_of(earlier), presets.default_sasrec(density), seed=seed
        ),
    }
    lists: dict[str, list[Int[np.ndarray, "k"]]] = {name: [] for name in arms}
    for user, tag in zip(asked["user"], asked["tag"], strict=True):
        history = Histories(
            catalogue=events.item_ids, items=earlier.items, times=earlier.times,
            start=offsets[user : user + 1], end=offsets[user + 1 : user + 2],
        )  # fmt: skip
        fits = scores[tag].copy()
        fits[earlier.items[offsets[user] : offsets[user + 1]]] = -np.inf
        first = np.argsort(-fits, kind="stable")[: num_candidates(len(fits))]
        for name, arm in arms.items():
            order = first if arm is None else first[for_user(arm, history, events.item_ids[first])[0]]
            lists[name].append(order[:PLACES])
    wanted = Relevant(offsets=np.arange(len(asked) + 1), items=asked["item"].to_numpy())
    gains = {
        name: rank_metrics(np.stack(found), wanted, [_METRIC, f"recall@{PLACES}"], num_items=events.num_items)
        for name, found in lists.items()
    }
    by_user = {name: _by_user(told[_METRIC], asked["user"].to_numpy()) for name, told in gains.items()}
    compared = compare_pairs(
        [
            Pairing(
                challenger=name, baseline="search", metric=_METRIC, slice="all",
                challenger_values=by_user[name], baseline_values=by_user["search"],
            )
            for name in arms if name != "search"
        ],
        permutations=0,
    )  # fmt: skip
    return {
        "asked": len(asked),
        "users": int(asked["user"].nunique()),
        "figures": {
            name: {metric: float(told[metric].mean()) for metric in told} for name, told in gains.items()
        },
        "minus_search_by_user": {one.challenger: [one.delta, one.lower, one.upper] for one in compared},
    }


def _by_user(values: Float[np.ndarray, "asked"], user: Int[np.ndarray, "asked"]) -> Float[np.ndarray, "user"]:
    """The mean of each user's: one who gave many tags counts once."""
    return pd.Series(values).groupby(user).mean().to_numpy()


def _top(scores: Float[np.ndarray, "query item"]) -> Int[np.ndarray, "query k"]:
    return np.argsort(-scores, axis=1, kind="stable")[:, :PLACES]


def _figures(lists: Int[np.ndarray, "query k"], relevant: Relevant, num_items: int) -> dict[str, float]:
    gains = rank_metrics(lists, relevant, [_METRIC, f"recall@{PLACES}"], num_items=num_items)
    return {metric: float(values.mean()) for metric, values in gains.items()}
