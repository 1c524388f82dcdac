"""From the name of a source to its rows: movielens, synthetic, or the path of a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from components.data.batch import Batch
from components.data.sources import folder, movielens, synthetic
from components.data.sources.poison import poisoned
from flows.request import CycleRequest
from flows.settings import Settings, load_settings


@dataclass(frozen=True, kw_only=True)
class Source:
    """A dataset that can be read in slices of time, and where its images and audio lie."""

    name: str
    media_root: Path | None
    terms: str  # what the data's owner asks of its users; "" if nothing is known

    def read(self, settings: Settings, *, since: datetime | None, until: datetime | None) -> Batch:
        """The events of [since, until) and the items that are known by then."""
        if self.name == "movielens":
            return movielens.read_movielens(settings.home / "sources", since=since, until=until)
        assert self.media_root is not None
        return folder.read_folder(self.media_root, since=since, until=until)


def open_source(name: str, settings: Settings) -> Source:
    """Find the source; a synthetic one is made on first use."""
    if name == "movielens":
        return Source(name=name, media_root=None, terms=movielens.TERMS)
    if name == "synthetic":
        made = settings.home / "sources" / "synthetic"
        synthetic.write_synthetic(synthetic.SyntheticConfig(), made)
        return Source(name=name, media_root=made, terms="")
    return Source(name=name, media_root=Path(name).expanduser().resolve(), terms="")


def item_images(items: pd.DataFrame, source: str | None) -> Callable[[str], bytes | None] | None:
    """Reads the image of an item id, None for one that has none or whose file is gone; None without images.

    `items` has the item columns of a snapshot.
    """
    root = open_source(source, load_settings()).media_root if source else None
    if root is None:
        return None
    having = items[items["image_path"].notna()]
    paths = dict(zip(having["item_id"], having["image_path"], strict=True))

    def read(item_id: str) -> bytes | None:
        path = root / paths[item_id] if item_id in paths else None
        return path.read_bytes() if path and path.is_file() else None

    return read


def read_batch(request: CycleRequest) -> Batch:
    """What has arrived for this cycle, spoiled on purpose where the request says so."""
    settings = load_settings()
    batch = open_source(request.source, settings).read(settings, since=request.since, until=request.as_of)
    if request.poisoned_rows:
        batch = poisoned(batch, seed=request.seed, count=request.poisoned_rows, as_of=request.as_of)
    return batch
