"""The quarantine as a queue: what waits there, taken out to be repaired, or dropped with a reason.

A row is open until it is released (see `quarantine_release`) or dropped. Rows of erased users hold nothing
but their reason, are in state "erased", and are not part of the queue. The counts of a batch tell what became
of its rows when it landed, and stay.
"""

from __future__ import annotations

import csv
import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Engine, bindparam, select, update

from components.data.batch import EVENT_COLUMNS, ITEM_COLUMNS, DataContractError
from components.data.chain import FIX
from components.data.moments import Clock, from_micros, to_micros, utc_now
from components.data.schema import quarantine
from components.data.seals import SEAL, RowChanged, is_as_written, seal_of
from components.data.warehouse import reading, rows_where, writing

State = Literal["open", "released", "dropped"]
ExportFormat = Literal["csv", "jsonl"]
STATES: tuple[str, ...] = get_args(State)
QUEUE_COLUMNS = ("quarantine_id", "kind", "reasons", "batch_id", "source_row", "state")
PAYLOAD_COLUMNS = tuple(dict.fromkeys((*EVENT_COLUMNS, *ITEM_COLUMNS)))
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_QUOTE = "'"


class QuarantineRefused(DataContractError):
    """A row of the quarantine that cannot be released or dropped: names it, and why."""


@dataclass(frozen=True, kw_only=True)
class QuarantinedRow:
    """One row of the queue. `payload` is the row as it was received, texts of over 4,096 characters cut."""

    id: int
    batch_id: int
    kind: str  # event | item
    source_row: int | None
    payload: dict[str, Any]
    reasons: tuple[str, ...]
    state: str
    resolved_at: datetime | None
    resolved_batch_id: int | None
    resolution: str | None
    is_as_written: bool = True  # False: somebody changed it behind recloop

    @property
    def told_state(self) -> str:
        return self.state if self.is_as_written else f"{self.state}, changed"


def list_quarantine(
    engine: Engine,
    *,
    reason: str | None = None,
    batch_id: int | None = None,
    state: State | None = "open",
    kind: Literal["event", "item"] | None = None,
    limit: int | None = None,
) -> list[QuarantinedRow]:
    """The rows that fit, oldest first. `state=None` gives open, released and dropped ones.

    One that was changed behind recloop is told as it lies, and says so.
    """
    table = quarantine.c
    # not by the index of states: one that lost rows would leave them out, and nobody would know
    query = select(quarantine).where(table.state.concat("").in_(STATES if state is None else (state,)))
    if batch_id is not None:
        query = query.where(table.batch_id == batch_id)
    if kind is not None:
        query = query.where(table.kind == kind)
    if reason is not None:
        query = query.where(("|" + table.reasons + "|").contains(f"|{reason}|", autoescape=True))
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(table.id).limit(limit)).mappings()
        return [_row(dict(row)) for row in rows]


def rows_by_id(connection: Connection, ids: Sequence[int]) -> dict[int, QuarantinedRow]:
    """Those of the rows that are in the queue, or were changed behind recloop, whatever state that gave them."""
    found = rows_where(connection, quarantine.c.id, ids, *quarantine.columns[1:])
    rows = (_row(row._asdict()) for row in found)
    return {row.id: row for row in rows if row.state in STATES or not row.is_as_written}


def export_quarantine(rows: Sequence[QuarantinedRow], path: Path, *, format: ExportFormat = "csv") -> int:
    """Write rows with their ids, reasons and received values, to be repaired and released; returns how many.

    CSV: a cell that a spreadsheet would take for a formula is given a leading ', which release takes off
    again. JSON lines keep numbers and nulls as they were. The file is there whole or not at all, and a file that
    was there before stays until then.
    """
    if path.exists() and not path.is_file():  # a pipe, /dev/stdout
        return _write_rows(rows, path, format)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        _write_rows(rows, aside, format)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return len(rows)


def _write_rows(rows: Sequence[QuarantinedRow], path: Path, format: ExportFormat) -> int:
    if format == "jsonl":
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(_flat(row)) + "\n" for row in rows)
        return len(rows)
    columns = (*QUEUE_COLUMNS, *_columns_of(rows))
    # surrogates cannot be written as UTF-8; such a text comes out with marks and will need repair anyway
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in _flat(row).items()} for row in rows)
    return len(rows)


def read_repaired(path: Path) -> dict[int, dict[str, Any]]:
    """quarantine id -> the row's values, from a file that `export_quarantine` wrote and a person repaired.

    Columns may be missing; others than the known ones are ignored. Raises DataContractError naming the line
    if an id is missing, no number, or there twice.
    """
    repaired: dict[int, dict[str, Any]] = {}
    for line, values in _lines(path):
        try:
            quarantine_id = int(values["quarantine_id"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataContractError(
                f"{path}: line {line} has no quarantine_id that is a number. Keep the column as "
                "`recloop quarantine export` wrote it."
            ) from error
        if quarantine_id in repaired:
            raise DataContractError(f"{path}: line {line} repeats quarantine_id {quarantine_id}. Keep one.")
        repaired[quarantine_id] = {name: values[name] for name in PAYLOAD_COLUMNS if name in values}
    return repaired


def drop_quarantined(engine: Engine, ids: Sequence[int], *, reason: str, now: Clock = utc_now) -> int:
    """Take rows out of the queue for good; returns how many were open. Again changes nothing.

    Raises QuarantineRefused, and drops nothing, if an id is not in the queue or was released; RowChanged.
    """
    if not reason.strip():
        raise QuarantineRefused("a row is dropped for a reason. Say it: --reason '…'")
    with writing(engine, "ingest") as connection:
        found = rows_by_id(connection, ids)
        for quarantine_id in ids:
            refuse_unless(found, quarantine_id, ("open", "dropped"))
        still_open = [id for id in dict.fromkeys(ids) if found[id].state == "open"]
        values = {"state": "dropped", "resolved_at": to_micros(now()), "resolution": reason}
        set_states(connection, still_open, values)
    return len(still_open)


def set_states(connection: Connection, ids: Sequence[int], values: dict[str, Any]) -> None:
    """Give rows new values, sealed anew, whatever they are: who asks has looked, in the same transaction."""
    sealed = [
        {"b_id": row.id, "b_seal": seal_of(quarantine, row._asdict() | values)}
        for row in rows_where(connection, quarantine.c.id, ids, *quarantine.columns[1:])
    ]
    if sealed:
        anew = values | {SEAL: bindparam("b_seal")}
        connection.execute(
            update(quarantine).where(quarantine.c.id == bindparam("b_id")).values(anew), sealed
        )


def refuse_unless(found: dict[int, QuarantinedRow], quarantine_id: int, states: tuple[str, ...]) -> None:
    """Raise QuarantineRefused unless the row is in the queue, in one of these states; RowChanged if it is another."""
    row = found.get(quarantine_id)
    if row is None:
        raise QuarantineRefused(
            f"quarantine row {quarantine_id} is not there. `recloop quarantine list --state all` shows all."
        )
    if not row.is_as_written:
        raise RowChanged(f"quarantine row {quarantine_id} is not what was written. {FIX}")
    if row.state not in states:
        at = f" at {row.resolved_at:%Y-%m-%dT%H:%MZ}" if row.resolved_at else ""
        raise QuarantineRefused(
            f"quarantine row {quarantine_id} was {row.state}{at}"
            f"{f' ({row.resolution})' if row.resolution else ''}. Leave it out."
        )


def _row(row: Mapping[str, Any]) -> QuarantinedRow:
    told = {name: value for name, value in row.items() if name != SEAL}
    decoded: dict[str, Any] = {
        "payload": _payload(row["payload"]),
        "reasons": tuple(str(row["reasons"]).split("|")),
    }
    decoded |= {"resolved_at": _moment(row["resolved_at"]), "is_as_written": is_as_written(quarantine, row)}
    return QuarantinedRow(**{**told, **decoded})


def _payload(text: Any) -> dict[str, Any]:
    """The values; of a row that was changed behind recloop perhaps the text alone."""
    try:
        values = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        values = None
    return values if isinstance(values, dict) else {"unreadable": str(text)}


def _moment(micros: Any) -> datetime | None:
    try:
        return None if micros is None else from_micros(micros)
    except (TypeError, ValueError, OverflowError):
        return None  # changed behind recloop


def _flat(row: QuarantinedRow) -> dict[str, Any]:
    about = {"quarantine_id": row.id, "kind": row.kind, "reasons": "|".join(row.reasons)}
    about |= {"batch_id": row.batch_id, "source_row": row.source_row, "state": row.told_state}
    return about | row.payload


def _columns_of(rows: Sequence[QuarantinedRow]) -> tuple[str, ...]:
    present = {name for row in rows for name in row.payload}
    return (*(n for n in PAYLOAD_COLUMNS if n in present), *sorted(present - set(PAYLOAD_COLUMNS)))


def _cell(value: Any) -> Any:
    """A number stays one; a text that begins like a formula, or like this mark of ours, is marked."""
    if isinstance(value, str) and value.startswith((*_FORMULA, _QUOTE)):
        return _QUOTE + value
    return value


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers from 1 and values; of CSV an empty cell is a missing value."""
    try:
        if path.suffix == ".jsonl":
            for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                if text.strip():
                    yield line, dict(json.loads(text))
            return
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line, row in enumerate(csv.DictReader(file), start=2):
                yield line, {name: _uncell(cell) for name, cell in row.items() if name}
    except FileNotFoundError as error:
        raise DataContractError(
            f"{path}: no such file. Check the path; `recloop quarantine export` writes one to repair."
        ) from error
    except (OSError, ValueError, csv.Error) as error:
        raise DataContractError(
            f"{path}: cannot be read ({error}). Save it as CSV in UTF-8, or as JSON lines (.jsonl)."
        ) from error


def _uncell(cell: str | None) -> str | None:
    if not cell:
        return None
    return cell[1:] if cell.startswith(_QUOTE) else cell
