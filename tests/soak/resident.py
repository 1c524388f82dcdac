"""A process that lives through the whole soak and does the undisturbed half of each cycle, so that leaks can show."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class Resident:
    """Forked once; works off what it is given, one after the other."""

    def __init__(self, begin: Callable[[], object]) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_live, args=(theirs, begin), daemon=True)
        self._process.start()
        theirs.close()

    def does(self, work: Callable[..., Any], **given: Any) -> Any:
        """What the work gave. Raises WorkFailed with the trace of what it raised."""
        self._pipe.send((work, given))
        is_done, told = self._pipe.recv()
        if not is_done:
            raise WorkFailed(told)
        return told

    def end(self) -> None:
        self._pipe.send(None)
        self._process.join()

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid


class WorkFailed(Exception):
    """The undisturbed half of a cycle failed; the message is its trace."""


def _live(pipe: Connection, begin: Callable[[], object]) -> None:
    silenced()
    begin()
    while (asked := pipe.recv()) is not None:
        work, given = asked
        try:
            pipe.send((True, work(**given)))
        except Exception:
            pipe.send((False, traceback.format_exc()))


def silenced() -> None:
    """Lines of stages and warnings of engines are nobody's here."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
