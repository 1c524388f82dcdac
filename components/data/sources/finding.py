"""The files of a source: which is there, and what lies there in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.files.form import RawTable
from components.data.sources.files.opened import bare_suffix
from components.data.sources.files.parts import (
    folder_values,
    parts_in,
    refuse_other_headers,
    refuse_two_kinds,
    with_folder_values,
)
from components.data.sources.files.query import query_names, read_query
from components.data.sources.files.reading import DELIMITED, file_names, read_file
from components.data.sources.mapping import TableMap
from components.data.sources.naming import proposed, spoken
from components.data.sources.unnamed import holds_values

MAP_FILE = "recloop.yaml"
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class FoundTable:
    """A table whose file is there, with the columns that are taken of it."""

    table: TableMap
    paths: tuple[Path, ...]
    names: tuple[str, ...]  # all that the file has
    taken: dict[str, str]  # our field → their column
    remarks: tuple[str, ...]


def find_files(root: Path, table: TableMap, what: str) -> tuple[Path, ...]:
    """The files of a table. Raises SourceUnavailable where there is none, DataContractError where two may be meant."""
    if table.query:
        return (root / MAP_FILE,)
    found, are_parts = _there(root, table.files), table.all_files
    if not found:
        found, are_parts = sorted(_there(root, table.part_files)), True
        refuse_two_kinds(root, found)
    if not found:
        raise SourceUnavailable(_nothing(root, table, what))
    if len(found) > 1 and not are_parts:
        raise DataContractError(
            f"{root}: {found[0].name} and {found[1].name} both hold {what}. Keep one of them there, or say which: "
            f"--map {what}={found[0].name}"
        )
    for path in found:
        _refuse_outside(root, path)
    return tuple(part for path in found for part in _expanded(path))


def find_columns(paths: tuple[Path, ...], table: TableMap) -> FoundTable:
    """Their column of each field that is there. Raises DataContractError where two mean one."""
    if table.query:
        names = query_names(paths[0], table.database, table.query)
        remarks: tuple[str, ...] = ()
    else:
        names, remarks = _names(paths, table)
    taken = {}
    for field, theirs in table.columns.items():
        present = [name for name in theirs if name in names]
        if len(present) > 1 and table.exclusive and field not in table.told:
            raise DataContractError(
                f"{paths[0]}: columns {present[0]!r} and {present[1]!r} both mean {field}. Remove or rename "
                "one, or say "
                f"which: --map {spoken({field: present[0]})}"
            )
        if present:
            taken[field] = present[0]
    return FoundTable(table=table, paths=paths, names=tuple(names), taken=taken, remarks=remarks)


def read_table(
    path: Path, table: TableMap, *, wanted: Sequence[str], keys: Sequence[str] = (), texts: Sequence[str] = ()
) -> RawTable:
    """The wanted columns of one file of a table, or of its query; see `read_file`."""
    if table.query:
        return read_query(path, table.database, table.query, wanted=wanted)
    told = {} if path.is_dir() else folder_values(path)
    if not told.keys() & set(wanted):
        return read_file(path, table.form, wanted=wanted, keys=keys, texts=texts)
    held, _ = file_names(path, table.form)
    here = [name for name in wanted if name in held or name not in told]
    raw = read_file(path, table.form, wanted=here, keys=keys, texts=texts)
    return replace(raw, table=with_folder_values(raw.table, told, wanted))


def _there(root: Path, names: Sequence[str]) -> list[Path]:
    """The tables of these names or patterns, each once."""
    found: list[Path] = []
    for name in names:
        inside = sorted(root.glob(name)) if "*" in name else [root / name] if (root / name).exists() else []
        found += [path for path in inside if path not in found and _is_table(path)]
    return found


def _expanded(path: Path) -> tuple[Path, ...]:
    """The parts of a folder; one of parquet parts is read as a whole."""
    if not path.is_dir() or (parts := parts_in(path))[0].suffix == ".parquet":
        return (path,)
    return parts


def _names(paths: Sequence[Path], table: TableMap) -> tuple[list[str], tuple[str, ...]]:
    """The columns of all parts, with those that their folders say, and what was guessed of the first."""
    names, remarks = file_names(paths[0], table.form)
    if len(paths) > 1 and table.form.header is None and bare_suffix(paths[0]) in DELIMITED:
        refuse_other_headers({path: file_names(path, table.form)[0] for path in paths})
    told = {} if paths[0].is_dir() else folder_values(paths[0])
    return [*names, *(name for name in told if name not in names)], remarks


def refuse_lacking(root: Path, tables: Sequence[tuple[FoundTable, Sequence[str]]], *, source: str) -> None:
    """Raise DataContractError naming all fields that no column of their table means, with the nearest columns."""
    told: list[str] = []
    map_: dict[str, str] = {}
    for found, required in tables:
        lacking = [f for f in dict.fromkeys((*required, *found.table.told)) if f not in found.taken]
        if not lacking:
            continue
        path, free = found.paths[0], [n for n in found.names if n not in found.taken.values()]
        if found.table.form.header is None and holds_values(found.names):
            told.append(
                f"{path}: has no header line; the first is {', '.join(map(repr, found.names[:6]))}. Write the columns' "
                "names above it, or name them in order: --map header=user|item|time"
            )
            continue
        near = proposed(lacking, free)
        map_ |= near
        wanted = ", ".join(f"{field!r}" for field in lacking)
        told.append(
            f"{path}: no column{'s' if len(lacking) > 1 else ''} {wanted}; found "
            f"{', '.join(map(repr, found.names[:40]))}. "
            + " ".join(_named(field, found.table) for field in lacking)
        )
    if not told:
        return
    if map_:
        near_to = ", ".join(f"{theirs!r} for {ours}" for ours, theirs in map_.items())
        told.append(f"Nearest is {near_to}; if that is so: --map {spoken(map_)}")
    told.append(f"In {root.name}/ lie {_listed(root)}. `recloop init --source {source}` proposes a mapping.")
    raise DataContractError("\n".join(told))


def _named(field: str, table: TableMap) -> str:
    names = table.columns.get(field, (field,))
    return f"Name it {' or '.join(map(repr, names))}."


def _is_table(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and bool(parts_in(path)))


def _refuse_outside(root: Path, path: Path) -> None:
    if not path.resolve().is_relative_to(root.resolve()) and not path.is_symlink():
        raise DataContractError(f"{path}: lies outside of {root}. Name a file within the source's folder.")


def _nothing(root: Path, table: TableMap, what: str) -> str:
    if root.is_file():
        return (
            f"{root}: no file of {what}: it is a file itself. Pass the folder that holds it, with events.csv and "
            "items.csv, or name it: --map events=<file>,items=<file>"
        )
    names = ", ".join(table.files[:4])
    if not root.is_dir():
        return (
            f"{root}: no file of {what}; one of {names} must lie there, and the folder is not there at all. Check the "
            "path, or export your data under one of these names."
        )
    told = f"{root}: no file of {what}; one of {names} must lie there. "
    if deeper := _one_level_deeper(root, table):
        return told + f"{deeper.relative_to(root)} lies one level deeper: pass --source {deeper.parent}"
    if packed := sorted(root.glob("*.zip")) + sorted(root.glob("*.tar*")) + sorted(root.glob("*.7z")):
        return told + f"Found {packed[0].name}: unpack it there, and pass the folder that comes of it."
    return told + (
        f"Found {_listed(root)}. Check the path, export your data under one of these names, or say which file it is: "
        f"--map {what}=<file>; `recloop init --source {root}` proposes it."
    )


def _one_level_deeper(root: Path, table: TableMap) -> Path | None:
    for name in table.files:
        if found := [path for path in sorted(root.glob(f"*/{name}")) if _is_table(path)]:
            return found[0]
    return None


def _listed(root: Path) -> str:
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in root.iterdir())
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "nothing") + more
