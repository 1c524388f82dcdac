"""What fuzzing found, as cases: bytes that readers failed on otherwise than by an error of their own."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.artifact import ArtifactDamaged, publish, whole
from components.data.batch import DataContractError
from components.data.csv_file import write_csv
from components.data.sources.folder import read_folder
from flows.settings import SettingsError
from tests.faults.fuzz_targets import fresh, sound_bundle, stray, targets

_COLUMNS = "columns: {user: user_id, item: item_id, time: timestamp}"
_ITEMS = "items: {file: items.csv, columns: {item: item_id, title: title}}\n"
_TARGETS = {target.name: target for target in targets()}


def mapping(more: str) -> bytes:
    return f"\0events: {{file: events.csv, {_COLUMNS}, {more}}}\n{_ITEMS}".encode()


def manifest(**other: object) -> bytes:
    """One whose digest is made to fit."""
    return b"\1" + json.dumps(json.loads(sound_bundle()["manifest.json"]) | other).encode()


# made when a case is tried: a bundle is built for some
CASES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "types that are a list": ("mapping", lambda: mapping("types: [x]")),
    "types that are a text": ("mapping", lambda: mapping("types: x")),
    "an encoding that encodes nothing": ("mapping", lambda: mapping("encoding: undefined")),
    "a broken stream in a packed file": (
        "packed",
        lambda: b"\0\x1f\x8b\x08\0i\xe9\x0ck\x02\xff\x1d\xc5A\n\x83\x01QR%+e\0\0\0",
    ),
    "settings that are no UTF-8": ("settings", lambda: b"\0RECLOOP_HOME=\x95\n"),
    "a home of nobody": ("settings", lambda: b"\0RECLOOP_HOME=~.recloop\n"),
    "a manifest whose files are a text": ("bundle", lambda: manifest(files="x")),
    "a manifest whose parents are none": ("bundle", lambda: manifest(parents=None)),
    "a manifest of infinity": ("bundle", lambda: b"\0" + manifest(config=float("inf"))[1:]),
    "a manifest of another config": ("bundle", lambda: manifest(config={"x": 1})),
    "a manifest as deep as a well": ("bundle", lambda: b"\0" + b"[" * 100_000),
    "a table of items that is none": ("bundle", lambda: b"\x030"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_case_that_was_found_is_refused_by_name(name: str, tmp_path: Path):
    """`stray` gives what is raised that should not be; and none of these is read, though a sound one was before."""
    target, made = CASES[name]
    sound, case = _TARGETS[target].seeds()[0], made()
    assert stray(_TARGETS[target], sound, tmp_path / "home") is None
    assert stray(_TARGETS[target], case, tmp_path / "home") is None
    with pytest.raises(_TARGETS[target].refusals):
        _TARGETS[target].read(case[0], case[1:], fresh(tmp_path / "home"))


@pytest.mark.parametrize("name", _TARGETS)
def test_every_seed_is_read_or_refused(name: str, tmp_path: Path):
    for seed in _TARGETS[name].seeds():
        assert stray(_TARGETS[name], seed, tmp_path / "home") is None
    first = _TARGETS[name].seeds()[0]
    _TARGETS[name].read(first[0], first[1:], fresh(tmp_path / "read"))  # and the first is sound


def test_settings_that_are_no_text_say_so(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"\.env is no UTF-8 text"):
        _TARGETS["settings"].read(0, b"\xff", fresh(tmp_path / "home"))


@pytest.mark.parametrize("kind", [pa.string(), pa.list_(pa.string())])
def test_a_text_of_parquet_that_is_no_utf8_is_named(tmp_path: Path, kind: pa.DataType):
    """Arrow reads it as a text, and only what decodes it fails."""
    held = pa.array([b"sound", b"\xff\xfe"], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 2, held.buffers())
    of_items = {"item_id": ["i1", "i2"], "title": ["One", "Two"], "categories": texts}
    if pa.types.is_list(kind):
        of_items["categories"] = pa.ListArray.from_arrays([0, 1, 2], texts)
    pq.write_table(pa.table(of_items), tmp_path / "items.parquet")
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\nu1,i1,1704067200\n")
    with pytest.raises(DataContractError, match=r"items\.parquet: column 'categories'.*does not hold"):
        read_folder(tmp_path)


def test_what_is_removed_while_it_is_read_is_named(tmp_path: Path):
    ref = publish(
        tmp_path, "arm", lambda folder: (folder / "a").write_text("a") and None, parents={}, config={}
    )
    (Path(ref.path) / "a").rename(tmp_path / "away")
    with pytest.raises(ArtifactDamaged, match=r"was removed while it was read .*/a\)"), whole(ref.path):
        (Path(ref.path) / "a").read_text()


def test_an_id_with_a_carriage_return_stays_one_cell(tmp_path: Path):
    """pandas leaves it without quotes where lines end in a line feed alone, and a reader ends the row there."""
    ids = ["a\rb", "a\nb", 'a"b', "a,b", " a "]
    write_csv(pd.DataFrame({"user_id": ids, "score": 0.5}), tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        assert [row["user_id"] for row in csv.DictReader(file)] == ids
