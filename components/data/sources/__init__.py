"""Sources: where events and items come from. Each hands over a `Batch` of rows as they stand in the file."""

from __future__ import annotations


class SourceUnavailable(Exception):
    """The data is not there: a missing file, a failed download, bytes that are not the pinned ones."""
