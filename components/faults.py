"""Named crash points, so that a test can kill the process exactly where it would hurt.

`CRASH_AT=stage:point` ends the process with SIGKILL at that point, after leaving a mark on stderr; a test
that arms a point asserts that the process died of it. Unset, a crash point costs one dictionary lookup.
"""

from __future__ import annotations

import os
import signal
import sys


def crash_point(name: str) -> None:
    """Die here if `CRASH_AT` names this point, e.g. `crash_point("ingest:before-commit")`."""
    if os.environ.get("CRASH_AT") == name:
        print(f"CRASH_AT {name}", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
