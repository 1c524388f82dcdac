"""From a path to its columns, whatever kind of file it is."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa

from components.data.batch import DataContractError
from components.data.sources.files.delimited import delimited_names, read_delimited, sample_delimited
from components.data.sources.files.form import FileForm, RawTable
from components.data.sources.files.json_lines import as_array, json_names, read_json_lines, sample_json_lines
from components.data.sources.files.opened import bare_suffix
from components.data.sources.files.parquet import parquet_names, parts_of, read_parquet, sample_parquet

DELIMITED = (".csv", ".tsv", ".tab", ".txt", ".dat", ".inter", ".item", ".user")
JSON_LINES = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")


def file_names(path: Path, form: FileForm) -> tuple[list[str], tuple[str, ...]]:
    """The names of the file's columns, and what was guessed of it. Raises DataContractError."""
    if _is_parquet(path):
        return parquet_names(path), ()
    if bare_suffix(path) in JSON_LINES:
        return json_names(path, form), ()
    return delimited_names(path, form)


def read_file(
    path: Path,
    form: FileForm,
    *,
    wanted: Collection[str],
    keys: Collection[str] = (),
    texts: Collection[str] = (),
) -> RawTable:
    """The wanted columns of the file; see `read_delimited` for `keys` and `texts`. Raises DataContractError."""
    if _is_parquet(path):
        return read_parquet(path, wanted=wanted)
    if bare_suffix(path) in JSON_LINES:
        return read_json_lines(path, form, wanted=wanted)
    return read_delimited(path, form, wanted=wanted, keys=keys, texts=texts)


def sample_file(path: Path, form: FileForm, *, num_rows: int = 1000) -> pa.Table:
    """All columns of the first rows. Raises DataContractError."""
    if _is_parquet(path):
        return sample_parquet(path, num_rows=num_rows)
    if bare_suffix(path) in JSON_LINES:
        rows = sample_json_lines(path, form, num_rows=num_rows)
        names = list(dict.fromkeys(name for row in rows for name in row))
        return pa.table({name: as_array([row.get(name) for row in rows]) for name in names})
    names, records = sample_delimited(path, form, num_rows=num_rows)
    columns = {name: [record[n] or None for record in records] for n, name in enumerate(names) if name}
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _is_parquet(path: Path) -> bool:
    if path.is_dir():
        if not parts_of(path):
            raise DataContractError(f"{path}: a folder without a .parquet file in it. Put the parts there.")
        return True
    return bare_suffix(path) in PARQUET
