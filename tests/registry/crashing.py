"""Kill a forked child at a crash point, and be sure that it died of it."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable


def killed_at(point: str, action: Callable[[], object]) -> None:
    """Run `action` in a child that is killed at `point`. Fails if the child ends some other way."""
    child = os.fork()
    if child == 0:
        os.environ["CRASH_AT"] = point
        try:
            action()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)  # reached only if the crash point was not
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"the child ended with {status} before it reached {point}"
    assert os.WTERMSIG(status) == signal.SIGKILL
