"""Names that a source or a caller gives for files, kept inside the folder that they belong to."""

from __future__ import annotations

from pathlib import Path


def path_within(root: Path | None, name: str) -> Path:
    """`name` under `root`, links followed; raises ValueError if it leads outside, or is no name of a file."""
    if root is None:
        raise ValueError("the source has no folder of files, so a path means nothing")
    root = root.resolve()
    try:
        path = (root / name).resolve()
    except RuntimeError as error:  # links that lead in a circle
        raise ValueError("a link that leads to itself") from error
    if not path.is_relative_to(root):
        raise ValueError(f"leads outside {root.name}/, the folder of the source")
    return path
