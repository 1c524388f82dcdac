"""The checkout that this process runs from: its commit, and whether files differ from it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from components.registry.lineage import DIRTY

_ROOT = Path(__file__).resolve().parents[1]


def commit_now() -> str:
    """The commit of this checkout, marked if files differ from it; "unknown" where there is none."""
    head = _git("rev-parse", "HEAD")
    return (
        f"{head}{DIRTY if _git('status', '--porcelain', '--untracked-files=no') else ''}"
        if head
        else "unknown"
    )


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607 - git, of the PATH
    except OSError:  # no git here, as in an image
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
