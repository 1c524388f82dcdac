"""Parquet: one file, or a folder of parts, whose `name=value` folders are columns too.

Columns stay in Arrow, where a whole number beside a null is still a whole number.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from components.data.batch import DataContractError
from components.data.sources.files.bombs import refuse_bomb
from components.data.sources.files.form import RawTable, named_columns

_NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"


def parts_of(path: Path) -> list[Path]:
    """The files themselves, in order; those that engines keep aside (`_`, `.`) are none."""
    if path.is_file():
        return [path]
    inside = (part for part in sorted(path.rglob("*.parquet")) if part.is_file())
    return [p for p in inside if not any(s.startswith(("_", ".")) for s in p.relative_to(path).parts)]


def parquet_names(path: Path) -> list[str]:
    """The columns of the first part, and those that its folders name."""
    first = parts_of(path)[0]
    names = named_columns(first, list(_opened(first).schema_arrow.names))
    return [*names, *(name for name in _folder_values(path, first) if name not in names)]


def read_parquet(path: Path, *, wanted: Collection[str]) -> RawTable:
    """The wanted columns, dictionaries decoded. Raises DataContractError naming the part that is amiss."""
    tables = [_part(path, part, wanted) for part in parts_of(path)]
    try:
        table = pa.concat_tables(tables, promote_options="default")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataContractError(
            f"{path}: its parts do not agree on the columns' types ({_first_line(error)}). Write them with one schema."
        ) from error
    return RawTable(path=path, table=table)


def sample_parquet(path: Path, *, num_rows: int) -> pa.Table:
    """The first rows of the first part."""
    opened = _opened(parts_of(path)[0])
    batch = next(opened.iter_batches(batch_size=num_rows), None)
    table = opened.schema_arrow.empty_table() if batch is None else pa.Table.from_batches([batch])
    return pa.table({name: _decoded(_whole(table.column(name))) for name in table.column_names})


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column, or nothing in its place where it does not hold what its type says: maybe nobody asks for it."""
    try:
        column.validate(full=True)
    except pa.ArrowException:
        return pa.chunked_array([pa.nulls(len(column), column.type)])
    return column


def _part(root: Path, part: Path, wanted: Collection[str]) -> pa.Table:
    opened, told = _opened(part), _folder_values(root, part)
    held = [name for name in wanted if name in opened.schema_arrow.names]
    if lacking := [name for name in wanted if name not in held and name not in told]:
        raise DataContractError(
            f"{part}: lacks the column {lacking[0]!r} that other parts of {root.name} have. Write them with one schema."
        )
    try:
        table = opened.read(columns=held) if held else pa.table({})
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(part, error, _bad_row_group(opened, held)) from error
    _refuse_broken(part, table)
    columns = {name: _decoded(table.column(name)) for name in held}
    num_rows = opened.metadata.num_rows
    for name in wanted:
        if name not in columns:
            columns[name] = pa.chunked_array([pa.array([told[name]] * num_rows, type=pa.string())])
    return pa.table({name: columns[name] for name in wanted})


def _opened(part: Path) -> pq.ParquetFile:
    try:
        opened = pq.ParquetFile(part)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(part, error) from error
    refuse_bomb(part, opened)
    return opened


def _bad_row_group(opened: pq.ParquetFile, held: list[str]) -> str:
    """The first row group that cannot be read, with its rows; "" if each can."""
    start = 0
    for number in range(opened.metadata.num_row_groups):
        end = start + opened.metadata.row_group(number).num_rows
        try:
            opened.read_row_group(number, columns=held)
        except (pa.ArrowException, OSError):
            return (
                f" in row group {number} of {opened.metadata.num_row_groups}, rows {start:,} to {end - 1:,}"
            )
        start = end
    return ""


def _refuse_broken(part: Path, table: pa.Table) -> None:
    """Arrow reads a text that is no UTF-8, and only what decodes it later fails."""
    for name in table.column_names:
        try:
            table.column(name).validate(full=True)
        except pa.ArrowException as error:
            raise DataContractError(
                f"{part}: column {name!r}{_first_undecoded(table.column(name))} does not hold what its type says "
                f"({_first_line(error)}). Export the column again, as UTF-8 where it is text."
            ) from error


def _first_undecoded(column: pa.ChunkedArray) -> str:
    """Where the first text is that is no UTF-8; "" where that cannot be told."""
    if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        return ""
    for row, held in enumerate(column.cast(pa.large_binary())):
        try:
            (held.as_py() or b"").decode()
        except UnicodeDecodeError:
            return f", row {row:,},"
    return ""


def _unreadable(part: Path, error: Exception, where: str = "") -> DataContractError:
    return DataContractError(
        f"{part}: cannot be read as parquet{where} ({_first_line(error)}). Export it again."
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], type=kind.storage_type)
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column


def _folder_values(root: Path, part: Path) -> dict[str, str | None]:
    """What the folders between say, as text: `day=2024-01-01` is a column `day`."""
    if root == part:
        return {}
    told = (folder.partition("=") for folder in part.relative_to(root).parts[:-1])
    return {name: None if value == _NULL_FOLDER else unquote(value) for name, equals, value in told if equals}
