"""A folder of a person's own: titles, vectors under names of theirs, and events of two types that weigh differently."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.data.sources.synthetic import write_synthetic
from tests.flows.worlds import WORLD

BARE = replace(WORLD, image_share=0.0, audio_share=0.0)
CUT, END = pd.Timestamp("2024-02-01", tz="UTC"), pd.Timestamp("2024-02-15", tz="UTC")
MAP = "vectors=embeddings.parquet,vector=embed"
ASKED = (
    "--map", MAP, "--preset", "quick", "--train-cutoff", CUT.isoformat(), "--as-of", END.isoformat(),
)  # fmt: skip
SAID = "retrain.json"  # what the command wrote to stdout
WEIGHTS = "gift=2,view=0"  # as recloop.yaml says; no event is a gift


def write_own_files(folder: Path) -> Path:
    """The small world without images and sounds; every fourth event is a view, the others are purchases."""
    write_synthetic(BARE, folder)
    items = pd.read_parquet(folder / "items.parquet")
    items[["item_id", "title", "available_at"]].to_parquet(folder / "items.parquet", index=False)
    events = pd.read_parquet(folder / "events.parquet")
    events["event_type"] = np.where(np.arange(len(events)) % 4 == 0, "view", "buy")
    events.to_parquet(folder / "events.parquet", index=False)
    (folder / "recloop.yaml").write_text("events: {weights: {view: 0, gift: 2}}\n")
    write_vectors(folder, vectors_of_width(8))
    return folder


def write_vectors(folder: Path, rows: np.ndarray) -> None:
    """Of all items but the last three, and of one that nobody knows."""
    items = sorted(pd.read_parquet(folder / "items.parquet")["item_id"])
    ids = [*items[: len(items) - 3], "stranger"]
    table = pa.table({"item_id": ids, "embed": rows[: len(ids)].tolist()})
    pq.write_table(table, folder / "embeddings.parquet")


def vectors_of_width(width: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(BARE.num_items, width)).astype(np.float32)
