"""What a validation is about, in the words of the page that shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is validated, in the words of the page that shows it."""

    rows: str  # what a row is, in the plural: events, items
    batch: str = ""  # the batch by name, such as "small-world until 2024-02-29 23:12Z"
    digest: str = ""  # SHA-256 of the batch as received
    limit: float = 1.0  # share of bad rows above which nothing goes on
    aside: str = "quarantined"  # what becomes of bad rows
    blocked: str = ""  # why nothing goes on, however good these rows are
