"""Secrets that a home makes for itself and keeps: files that only their owner reads."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """What the file holds; made, written and kept (0600) if there is none. Two at once keep the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # its owner's alone
        with open(handle, "w") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first
            os.link(aside, path)
        os.unlink(aside)
    return path.read_text().strip()
