"""Who uses the servers of a home: a record for each use, which counts for as long as its process lives.

Servers are nobody's own. Whoever needs them signs in, and the last to leave lets them be stopped; a process
that was killed leaves a record that names no living process, and counts for nothing.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from flows.local.process import read_record, write_record


def sign_in(folder: Path) -> Path:
    """Record one use by this process under `folder`; give the path back to `sign_out`."""
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.json"
    write_record(record, os.getpid())
    return record


def sign_out(record: Path) -> None:
    record.unlink(missing_ok=True)


def in_use(folder: Path) -> bool:
    """Whether a living process has signed in; clears away the records of dead ones."""
    living = False
    for path in folder.glob("*.json"):
        record = read_record(path)
        if record is not None and record.alive:
            living = True
        else:
            path.unlink(missing_ok=True)
    return living
