"""Real data as the tokenizer takes it: vectors by the project's own encoders, the graph, categories, sequences.

Encoded vectors are kept in a folder that the caller names, for as long as the caller keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from components.data.batch import ITEM_COLUMNS
from components.data.sources.folder import read_folder
from components.data.sources.sequence import read_sequences
from components.data.timestamps import read_timestamps
from components.features.cache import VectorCache
from components.features.encoding import EncoderConfig, encode_items
from tests.benchmarks.datasets import open_dataset
from tests.benchmarks.surroundings import results_folder, shared_folder


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Users in ascending order; each one's items oldest first."""

    name: str
    item_ids: np.ndarray  # [item] str objects, ascending
    vectors: dict[str, Float[np.ndarray, "item dim"]]
    present: dict[str, Bool[np.ndarray, "item"]]
    categories: list[tuple[str, ...]]  # of each item
    items: list[Int[np.ndarray, "event"]]  # of each user, rows of item_ids
    times: list[
        Int[np.ndarray, "event"]
    ]  # of each user: epoch seconds, or places where the data has no times

    def edges(self) -> Int[np.ndarray, "2 edge"]:
        return edges_of(self.items)


def edges_of(items: list[Int[np.ndarray, "event"]]) -> Int[np.ndarray, "2 edge"]:
    """Row 0 the user, row 1 the item; repeats are the tokenizer's to drop."""
    users = np.repeat(np.arange(len(items)), [len(own) for own in items])
    return np.stack([users, np.concatenate(items)]) if items else np.zeros((2, 0), dtype=np.int64)


FILMS, BEAUTY = "ml-latest-small-multimodal", "amazon_beauty"


def catalogues(data: str | None) -> dict[str, Callable[[Path], Catalogue] | None]:
    """How to read each data set, given a folder for vectors; None for one that is not here.

    `data` names a folder of events and items, or is ml100k, of which what is trained on is read; without it, the data
    beside the checkout that tests use too.
    """
    if data == "ml100k":
        return {data: read_movielens}
    if data is not None:
        return {Path(data).name: partial(read_catalogue, Path(data))}
    films, beauty = shared_folder() / "data" / FILMS, shared_folder() / "data" / BEAUTY
    return {
        FILMS: partial(read_catalogue, films) if films.is_dir() else None,
        BEAUTY: partial(read_beauty, beauty) if beauty.is_dir() else None,
    }


def read_catalogue(folder: Path, cache: Path) -> Catalogue:
    """A folder that the loop could be run on: every modality that it has, genres or categories, events by time."""
    batch = read_folder(folder)
    items = batch.items.drop_duplicates("item_id")
    vectors = encode_items(items, EncoderConfig(), root=folder, cache=VectorCache(cache))
    row = pd.Index(vectors.item_ids)
    events = pd.DataFrame(
        {
            "user": batch.events["user_id"].astype(object),
            "item": row.get_indexer(pd.Index(batch.events["item_id"].astype(object))),
            "time": read_timestamps(batch.events["timestamp"]).moments,
        }
    )
    events = events[(events["item"] >= 0) & events["time"].notna()].sort_values("time", kind="stable")
    events["time"] = events["time"].dt.as_unit("s").astype("int64")
    by_user = [own for _, own in events.groupby("user", sort=True)]
    told = items.set_index("item_id")["categories"].reindex(vectors.item_ids)
    return Catalogue(
        name=folder.name,
        item_ids=vectors.item_ids,
        vectors=dict(vectors.vectors),
        present=dict(vectors.present),
        categories=[tuple(joined.split("|")) if isinstance(joined, str) else () for joined in told],
        items=[own["item"].to_numpy() for own in by_user],
        times=[own["time"].to_numpy() for own in by_user],
    )


def read_movielens(cache: Path) -> Catalogue:
    """All but the last two events of each user."""
    data = open_dataset("ml100k", results_folder() / "sources")
    training, content = data.events.training(), data.content()
    return Catalogue(
        name=data.name,
        item_ids=training.item_ids,
        vectors=dict(content.vectors),
        present=dict(content.present),
        categories=[tuple(told.split("|")) if told else () for told in data.catalogue["categories"]],
        items=np.split(training.items, training.offsets[1:-1]),
        times=np.split(training.times, training.offsets[1:-1]),
    )


def read_beauty(folder: Path, cache: Path) -> Catalogue:
    """Attributes and graph only: there is no text, no image, and an order in place of times."""
    read = read_sequences(folder / "Beauty.txt", folder / "Beauty_item2attributes.json")
    item_ids = np.unique(read.items)
    tokens = [read.attributes.get(item, ()) for item in item_ids]
    frame = pd.DataFrame(None, index=range(len(item_ids)), columns=list(ITEM_COLUMNS), dtype=object)
    frame["item_id"] = item_ids
    frame["attributes"] = ["|".join(own) or None for own in tokens]
    vectors = encode_items(
        frame, EncoderConfig(modalities=("metadata",)), root=None, cache=VectorCache(cache)
    )
    rows = pd.Index(item_ids).get_indexer(pd.Index(read.items))
    items = np.split(rows, read.start[1:-1])
    return Catalogue(
        name=folder.name,
        item_ids=item_ids,
        vectors=dict(vectors.vectors),
        present=dict(vectors.present),
        categories=tokens,
        items=items,
        times=[np.arange(len(own)) for own in items],
    )
