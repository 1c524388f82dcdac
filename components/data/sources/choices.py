"""Several items in one row, of which some were chosen: one row an item that was."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from components.data.sources.mapping import Choices


def chosen_rows(table: pa.Table, name: str, choices: Choices) -> pa.Table:
    """The table with a row for each member of column `name` that was chosen, all else repeated beside it."""
    lists = pc.split_pattern(pc.utf8_trim_whitespace(table.column(name)), choices.separator).combine_chunks()
    rows = pc.list_parent_indices(lists)
    members = pc.list_flatten(lists)
    counts = pc.and_(pc.ends_with(members, choices.chosen), pc.invert(pc.equal(members, "")))
    kept = pc.replace_substring_regex(members.filter(counts), _at_end(choices.chosen), "")
    taken = table.take(rows.filter(counts))
    return taken.set_column(taken.column_names.index(name), name, kept)


def _at_end(suffix: str) -> str:
    return "".join(f"\\x{ord(character):02x}" for character in suffix) + "$"
