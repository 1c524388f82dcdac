"""A file without a newline at its end may have been cut off within its last value: "17043321" for "1704332103"."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.data.batch import DataContractError


def refuse_cut_off(
    path: Path, last_line: str, column: pa.ChunkedArray, name: str, *, is_text: bool, line: int
) -> tuple[str, ...]:
    """Raise DataContractError if the last value of the file may be a part of one.

    `column` holds the last field of every row. It is whole where a newline or a closing quote follows it, where all
    values are as long as it, or where it stands in another row too and begins no longer one. Of prose nobody can
    tell; then a remark says so.
    """
    if last_line.endswith(("\n", "\r", '"')) or len(column) < 2:
        return ()
    value, others = column[-1].as_py(), column.slice(0, len(column) - 1)
    if is_text:
        return (f"the last line has no newline: its {name} may be cut off",)
    if value is not None and _is_whole(value, others):
        return ()
    raise DataContractError(
        f"{path}: the last line ({line:,}) has no newline, and its {name} {value or ''!r} may be the beginning of a "
        "longer one: the file may have been cut off. Export it again; if the line is whole, end it with a newline."
    )


def _is_whole(value: str, others: pa.ChunkedArray) -> bool:
    lengths = pc.unique(pc.utf8_length(others.drop_null())).to_pylist()
    if lengths == [len(value)]:
        return True
    longer = pc.starts_with(others, value)
    seen = pc.any(pc.equal(others, value)).as_py()
    begins = pc.any(pc.and_(longer, pc.not_equal(others, value))).as_py()
    return bool(seen and not begins)
