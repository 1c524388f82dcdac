"""The batcher: arrivals together, a full queue, a failing batch, a stop that answers what waits."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from components.serving.batching import Batcher, Overloaded, Stopped


def batcher(work, **changes) -> Batcher:
    settings = {"name": "test", "window_seconds": 0.05, "max_batch": 8, "max_waiting": 16, **changes}
    return Batcher(work, **settings)


def test_what_arrives_together_is_worked_on_together():
    sizes: list[int] = []

    def double(asked: Sequence[int]) -> list[int]:
        sizes.append(len(asked))
        return [2 * number for number in asked]

    async def ask_all() -> list[int]:
        return await asyncio.gather(*(worker.ask(number) for number in range(12)))

    worker = batcher(double)
    assert asyncio.run(ask_all()) == [2 * number for number in range(12)]
    assert sizes == [8, 4]
    assert worker.stop(timeout_seconds=5)


def test_one_alone_does_not_wait_and_company_is_waited_for_again():
    """After the first, one client is answered at once; whoever waited while it was worked on shares the next batch."""
    sizes: list[int] = []

    def note(asked: Sequence[int]) -> Sequence[int]:
        sizes.append(len(asked))
        time.sleep(0.1)  # for the two that come meanwhile, the second of them into the window
        return asked

    async def ask_all() -> float:
        await worker.ask(0)
        begin = time.monotonic()
        await worker.ask(1)
        taken = time.monotonic() - begin
        lone = asyncio.create_task(worker.ask(2))
        while len(sizes) < 3:  # until it is worked on
            await asyncio.sleep(0.002)
        waiting = asyncio.create_task(worker.ask(3))
        await lone
        await asyncio.gather(waiting, worker.ask(4))
        return taken

    worker = batcher(note, window_seconds=1.0)
    assert asyncio.run(ask_all()) < 0.9
    assert sizes == [1, 1, 1, 2]
    worker.stop(timeout_seconds=5)


def test_the_next_one_behind_a_full_queue_is_refused_at_once():
    busy, go_on = threading.Event(), threading.Event()

    def wait(asked: Sequence[int]) -> Sequence[int]:
        busy.set()
        go_on.wait(10)
        return asked

    async def overfill() -> list[object]:
        first = asyncio.create_task(worker.ask(0))
        await asyncio.to_thread(busy.wait, 10)
        waiting = [asyncio.create_task(worker.ask(number)) for number in (1, 2)]
        await asyncio.sleep(0)
        begin = time.monotonic()
        with pytest.raises(Overloaded):
            await worker.ask(3)
        assert time.monotonic() - begin < 1
        assert worker.num_waiting == 2
        go_on.set()
        return await asyncio.gather(first, *waiting)

    worker = batcher(wait, max_batch=1, max_waiting=2)
    assert asyncio.run(overfill()) == [0, 1, 2]
    worker.stop(timeout_seconds=5)


def test_a_failing_batch_fails_its_own_requests_only():
    def divide(asked: Sequence[int]) -> list[float | BaseException]:
        return [1 / number for number in asked]

    async def ask(number: int) -> float:
        return await worker.ask(number)

    worker = batcher(divide, max_batch=1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(ask(0))
    assert asyncio.run(ask(2)) == 0.5
    worker.stop(timeout_seconds=5)


def test_an_answer_may_be_an_error_of_one_request():
    worker = batcher(lambda asked: [ValueError("odd") if number % 2 else number for number in asked])

    async def ask_all() -> list[object]:
        return await asyncio.gather(*(worker.ask(number) for number in range(3)), return_exceptions=True)

    first, second, third = asyncio.run(ask_all())
    assert (first, str(second), third) == (0, "odd", 2)
    worker.stop(timeout_seconds=5)


def test_a_stop_answers_what_waits_and_takes_no_more():
    def slowly(asked: Sequence[int]) -> Sequence[int]:
        time.sleep(0.1)
        return asked

    told: list[object] = []
    worker = batcher(slowly, max_batch=2, window_seconds=0)
    for number in range(6):
        worker.put(number, told.append)
    assert worker.stop(timeout_seconds=10)
    assert told == list(range(6))
    with pytest.raises(Stopped):
        worker.put(7, told.append)


def test_one_who_went_away_does_not_stop_the_others():
    async def go_away() -> int:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(worker.ask(1), 0.01)
        return await worker.ask(2)

    worker = batcher(lambda asked: [time.sleep(0.1) or number for number in asked], window_seconds=0)
    assert asyncio.run(go_away()) == 2
    worker.stop(timeout_seconds=5)
