"""Requests that arrive together are answered together, by one worker thread behind a bounded queue."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Overloaded(Exception):
    """As many requests wait as may: this one is refused at once."""


class Stopped(Exception):
    """The server is going down and takes no more requests."""


@dataclass(frozen=True, kw_only=True)
class _Waiting(Generic[Asked, Answer]):
    asked: Asked
    tell: Callable[[Answer | BaseException], None]  # called in the worker's thread, once


class Batcher(Generic[Asked, Answer]):
    """`work` gets what waits, in the order of arrival, and gives an answer, or an exception, for each.

    The first of a batch waits `window_seconds` for others, unless nobody else is there: the batch before was of one,
    and nothing waited while it was worked on. So one client alone never waits, and many share their batches.
    `niceness` above 0 lets the worker step back behind other threads where the system can (Linux).
    """

    def __init__(
        self,
        work: Callable[[Sequence[Asked]], Sequence[Answer | BaseException]],
        *,
        name: str,
        window_seconds: float,
        max_batch: int,
        max_waiting: int,
        niceness: int = 0,
    ) -> None:
        self._work, self._window, self._max_batch = work, window_seconds, max_batch
        self._queue: queue.Queue[_Waiting[Asked, Answer] | None] = queue.Queue(max_waiting)
        self._stopped = False
        self._niceness = niceness
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def num_waiting(self) -> int:
        return self._queue.qsize()

    async def ask(self, asked: Asked) -> Answer:
        """The answer, once its batch is worked on. Raises Overloaded, Stopped, or what the work gave for it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()

        def settle(answer: Answer | BaseException) -> None:
            if future.done():  # the client has gone
                return
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)

        def tell(answer: Answer | BaseException) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(settle, answer)

        self.put(asked, tell)
        return await future

    def put(self, asked: Asked, tell: Callable[[Answer | BaseException], None]) -> None:
        """Hand over without waiting; `tell` gets the answer in the worker's thread."""
        if self._stopped:
            raise Stopped
        try:
            self._queue.put_nowait(_Waiting(asked=asked, tell=tell))
        except queue.Full:
            raise Overloaded from None

    def stop(self, *, timeout_seconds: float) -> bool:
        """Take no more, answer what waits, and end; False if that took too long."""
        self._stopped = True
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=timeout_seconds)
        self._thread.join(timeout_seconds)
        with contextlib.suppress(queue.Empty):  # what slipped in behind the end
            while True:
                if (late := self._queue.get_nowait()) is not None:
                    late.tell(Stopped())
        return not self._thread.is_alive()

    def _run(self) -> None:
        if self._niceness:
            with contextlib.suppress(OSError, AttributeError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._niceness)
        among_others = True  # not known yet
        while True:
            among_others = among_others or not self._queue.empty()
            if (first := self._queue.get()) is None:
                return
            batch, is_last = self._collect(first, self._window if among_others else 0.0)
            self._answer(batch)
            if is_last:
                return
            among_others = len(batch) > 1

    def _collect(
        self, first: _Waiting[Asked, Answer], window_seconds: float
    ) -> tuple[list[_Waiting[Asked, Answer]], bool]:
        batch, until = [first], time.monotonic() + window_seconds
        while len(batch) < self._max_batch:
            try:
                left = until - time.monotonic()
                found = self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if found is None:
                return batch, True
            batch.append(found)
        return batch, False

    def _answer(self, batch: Sequence[_Waiting[Asked, Answer]]) -> None:
        answers: Sequence[Answer | BaseException]
        try:
            answers = self._work([waiting.asked for waiting in batch])
        except Exception as error:  # whatever it was, each of them hears of it and the worker goes on
            answers = [error] * len(batch)
        for waiting, answer in zip(batch, answers, strict=True):
            waiting.tell(answer)
