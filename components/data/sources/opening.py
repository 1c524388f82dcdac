"""From the name of a source to its rows: movielens, synthetic, synthetic-small, or the path of a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from components.data.batch import Batch
from components.data.sources import folder, movielens, synthetic
from components.data.sources.item_vectors import SourceVectors, read_item_vectors
from components.data.sources.recognising import source_map
from components.event_weights import NONE, event_weights_text
from components.within import path_within

MOVIELENS, SYNTHETIC, SMALL = "movielens", "synthetic", "synthetic-small"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A dataset that can be read in slices of time, and where its images and audio lie."""

    name: str
    home: Path  # where what was fetched or made is kept
    media_root: Path | None  # None where there is no folder of files
    terms: str  # what the data's owner asks of its users; "" if nothing is known
    mapping: str = ""  # which column means what, as `--map` says it

    def read(self, since: datetime | None, until: datetime | None) -> Batch:
        """The events of [since, until) and the items that are known by then; None leaves that side open.

        Raises SourceUnavailable, and DataContractError for files that cannot be read.
        """
        if self.media_root is None:
            return movielens.read_movielens(self.home, since=since, until=until)
        return folder.read_folder(self.media_root, since=since, until=until, mapping=self.mapping)

    def event_weights(self, asked: str = "") -> str:
        """What event types weigh, as a line: what is asked, else what `recloop.yaml` beside the files says.

        "" where all weigh alike; "none" only where it overrules the file. Raises DataContractError for a file that
        cannot be read.
        """
        kept = ""
        if asked in ("", NONE) and self.media_root is not None and self.media_root.is_dir():
            kept = event_weights_text(source_map(self.media_root, self.mapping).event_weights)
        if asked == NONE:
            return NONE if kept else ""
        return asked or kept

    def item_vectors(self) -> SourceVectors | None:
        """Vectors that the source brings of its items; None where it brings none, or its folder is gone.

        Raises as `read_item_vectors` does.
        """
        if self.media_root is None or not self.media_root.is_dir():
            return None
        return read_item_vectors(self.media_root, source_map(self.media_root, self.mapping))


def open_source(name: str, *, home: Path, mapping: str = "") -> Source:
    """Find the source `name`: "movielens", "synthetic" or "synthetic-small" (made under `home`), or a folder.

    `home` is the folder under which fetched wheels and synthetic worlds lie. A folder is not looked into before it
    is read. Raises SourceUnavailable where a synthetic world cannot be made.
    """
    if name == MOVIELENS:
        return Source(name=name, home=home, media_root=None, terms=movielens.TERMS)
    if name in (SYNTHETIC, SMALL):
        world = synthetic.SyntheticConfig() if name == SYNTHETIC else synthetic.small_world()
        made = synthetic.write_synthetic(world, home / name)
        return Source(name=name, home=home, media_root=made, terms="")
    root = Path(name).expanduser().resolve()
    return Source(name=name, home=home, media_root=root, terms="", mapping=mapping)


def item_images(items: pd.DataFrame, media_root: Path | None) -> Callable[[str], bytes | None] | None:
    """Reads the image of an item id, None for one that has none or whose file is not in the folder; None
    without a folder.

    `items` has the item columns of a snapshot; `media_root` is the folder that their image paths lie in.
    """
    if media_root is None:
        return None
    root = media_root
    having = items[items["image_path"].notna()]
    paths = dict(zip(having["item_id"], having["image_path"], strict=True))

    def read(item_id: str) -> bytes | None:
        if item_id not in paths:
            return None
        try:
            return path_within(root, paths[item_id]).read_bytes()
        except (OSError, ValueError):  # gone, or a path or link that leads elsewhere
            return None

    return read
