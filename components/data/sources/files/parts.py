"""A table in several files: which they are, what the folders between them say, and whether they fit together.

A folder of parts may hold `name=value` folders, as engines that partition by a column write them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from components.data.batch import DataContractError
from components.data.sources.files.opened import bare_suffix

DELIMITED_PARTS = (".csv", ".tsv", ".tab")
JSON_PARTS = (".jsonl", ".ndjson", ".json")
_PARQUET = ".parquet"
_NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"
_SHOWN = 3


def parts_in(folder: Path) -> tuple[Path, ...]:
    """The files of a folder that are parts of one table, in order; those that engines keep aside (`_`, `.`) are none.

    Raises DataContractError for a folder that holds parts of two kinds.
    """
    inside = (path for path in sorted(folder.rglob("*")) if path.is_file())
    kept = [p for p in inside if not any(s.startswith(("_", ".")) for s in p.relative_to(folder).parts)]
    parts = tuple(path for path in kept if _kind(path) is not None)
    refuse_two_kinds(folder, parts)
    return parts


def refuse_two_kinds(folder: Path, parts: Sequence[Path]) -> None:
    """Raise DataContractError where some are parquet and others text, say."""
    first: dict[str | None, Path] = {}
    for path in parts:
        first.setdefault(_kind(path), path)
    if len(first) > 1:
        one, other = (path.relative_to(folder) for path in list(first.values())[:2])
        raise DataContractError(
            f"{folder}: holds parts of two kinds, such as {one} and {other}, and which of them are the table cannot be "
            "told. Leave one kind there, or say which: --map events=<pattern>"
        )


def folder_values(path: Path) -> dict[str, str | None]:
    """What the folders right above the file say, as text: `day=2024-01-01` is a column `day`."""
    told: dict[str, str | None] = {}
    for folder in path.parents:
        name, equals, value = folder.name.partition("=")
        if not equals:
            break
        told.setdefault(name, None if value == _NULL_FOLDER else unquote(value))
    return dict(reversed(told.items()))


def with_folder_values(table: pa.Table, told: Mapping[str, str | None], wanted: Sequence[str]) -> pa.Table:
    """The table with a column for each that is wanted, is not in it, and that the folders say."""
    for name in wanted:
        if name not in table.column_names and name in told:
            table = table.append_column(name, pa.array([told[name]] * table.num_rows, type=pa.string()))
    return table.select(list(wanted))


def refuse_other_headers(headers: Mapping[Path, Sequence[str]]) -> None:
    """Raise DataContractError naming the first part whose columns are not those of the first."""
    (first, names), *others = headers.items()
    for path, theirs in others:
        if set(theirs) != set(names):
            more = ", ".join(map(repr, [name for name in theirs if name not in names]))
            fewer = ", ".join(map(repr, [name for name in names if name not in theirs]))
            has = " and ".join(
                filter(None, (f"has {more}" if more else "", f"lacks {fewer}" if fewer else ""))
            )
            raise DataContractError(
                f"{path}: its header {has}, unlike that of {first.name}, and both are parts of one table. Export all "
                "parts with one header, or leave this one out."
            )


def joined(parts: Mapping[Path, pa.Table]) -> pa.Table:
    """The parts below one another. Columns of several types become text, as within one file.

    Raises DataContractError where that cannot be.
    """
    tables = list(parts.values())
    if len(tables) == 1:
        return tables[0]
    mixed = [name for name in tables[0].column_names if len({t.schema.field(name).type for t in tables}) > 1]
    try:
        return pa.concat_tables(tables, promote_options="default")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        try:
            return pa.concat_tables([_as_text(table, mixed) for table in tables])
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            paths = list(parts)
            raise DataContractError(
                f"{paths[0]} and {len(paths) - 1:,} more parts do not agree on what column {mixed[0]!r} holds "
                f"({str(error).splitlines()[0]}). Export them with one schema."
            ) from error


def label_of(paths: Sequence[Path]) -> Path:
    """What messages about the table as a whole call it."""
    return paths[0] if len(paths) == 1 else Path(f"{paths[0]} and {len(paths) - 1:,} more parts")


def names_of(paths: Sequence[Path]) -> str:
    """The files in a line: all of a few, the ends of many."""
    if len(paths) <= _SHOWN:
        return ", ".join(path.name for path in paths)
    return f"{paths[0].name} … {paths[-1].name} ({len(paths):,} parts)"


def _as_text(table: pa.Table, names: Sequence[str]) -> pa.Table:
    for name in names:
        at = table.column_names.index(name)
        table = table.set_column(at, name, table.column(name).cast(pa.string()))
    return table


def _kind(path: Path) -> str | None:
    suffix = bare_suffix(path)
    return next((kinds[0] for kinds in (DELIMITED_PARTS, JSON_PARTS, (_PARQUET,)) if suffix in kinds), None)
