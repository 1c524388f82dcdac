"""Work in a child process, forked so that no import is paid twice, and how it ended.

The parent opens no database: a forked child would inherit its connections.
"""

from __future__ import annotations

import importlib
import json
import os
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a child ended: killed by a signal, with what was raised in it, or with what its work gave."""

    signal: int = 0
    error: str = ""  # class of what was raised
    message: str = ""
    trace: str = ""
    result: Any = None  # as JSON holds it

    @property
    def is_done(self) -> bool:
        return not self.signal and not self.error


def import_once(*modules: str) -> None:
    """What children are going to need is imported before they are forked: once, not in every child."""
    for module in modules:
        importlib.import_module(module)


def in_child(
    work: Callable[[], object],
    *,
    environment: Mapping[str, str] | None = None,
    first: Callable[[], object] = lambda: None,
    last: Callable[[], object] = lambda: None,
) -> Ended:
    """Run `first`, then `work`; what `last` gives comes along as `result`, or what `work` gave if it gives None."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _end(writer, work, dict(environment or {}), first, last)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return Ended(signal=os.WTERMSIG(status))
    return Ended(**json.loads(told))


def done(work: Callable[[], object], **more: Any) -> Any:
    """`in_child` that has to succeed; its result."""
    ended = in_child(work, **more)
    if not ended.is_done:
        raise RuntimeError(f"the harness's own work failed: signal {ended.signal}\n{ended.trace}")
    return ended.result


def _end(
    writer: int,
    work: Callable[[], object],
    environment: dict[str, str],
    first: Callable[[], object],
    last: Callable[[], object],
) -> None:
    told: dict[str, Any] = {}
    try:
        os.environ |= environment
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # marks of crash points, warnings of engines
        try:
            first()
            told["result"] = work()
        except BaseException as error:
            told |= {"error": type(error).__name__, "message": str(error), "trace": traceback.format_exc()}
        finally:
            if (more := last()) is not None:
                told["result"] = more
        with os.fdopen(writer, "w") as pipe:
            json.dump(told, pipe)
    finally:
        os._exit(0)
