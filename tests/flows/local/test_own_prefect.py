"""Transactions of Prefect's server on SQLite, without the server: two at once, and one inside another."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prefect.server.database.configurations import AioSqliteConfiguration
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from flows.local import own_prefect
from flows.local.own_prefect import OneWriter

_COUNT = text("SELECT value FROM counted")
_SET = text("UPDATE counted SET value = :value")


class Counter:
    """A number in a database of its own; it is raised by reading it first, as most of Prefect's transactions do."""

    def __init__(self, config: AioSqliteConfiguration) -> None:
        self.config = config

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        session = await self.config.session(await self.config.engine())
        async with session:
            yield session

    async def make(self) -> None:
        async with self.session() as session:
            await session.execute(text("CREATE TABLE counted (value INTEGER)"))
            await session.execute(text("INSERT INTO counted VALUES (0)"))
            await session.commit()

    async def value(self) -> int:
        async with self.session() as session:
            return int((await session.execute(_COUNT)).scalar_one())

    async def raised(self) -> None:
        async with self.session() as session, self.config.begin_transaction(session):
            value = int((await session.execute(_COUNT)).scalar_one())
            await asyncio.sleep(0.05)  # so that all that are let through have read
            await session.execute(_SET, {"value": value + 1})


def run(config: AioSqliteConfiguration, work: Callable[[Counter], Awaitable[int]]) -> int:
    async def made() -> int:
        counter = Counter(config)
        await counter.make()
        try:
            return await work(counter)
        finally:
            await (await config.engine()).dispose()

    return asyncio.run(made())


async def five_at_once(counter: Counter) -> int:
    await asyncio.gather(*(counter.raised() for _ in range(5)))
    return await counter.value()


def test_of_transactions_at_once_none_is_sent_away_and_none_is_lost(tmp_path: Path) -> None:
    assert run(OneWriter(connection_url=f"sqlite+aiosqlite:///{tmp_path}/ours.db"), five_at_once) == 5


def test_prefects_own_sends_one_away(tmp_path: Path) -> None:
    """What this is for: once it does not, ours can go."""
    with pytest.raises(OperationalError, match="database is locked"):
        run(AioSqliteConfiguration(connection_url=f"sqlite+aiosqlite:///{tmp_path}/its.db"), five_at_once)


def test_one_that_reads_inside_another_does_not_wait_for_it(tmp_path: Path) -> None:
    async def nested(counter: Counter) -> int:
        async with counter.session() as outer, counter.config.begin_transaction(outer):
            await outer.execute(_SET, {"value": 7})
            async with counter.session() as inner, counter.config.begin_transaction(inner):
                before = int((await inner.execute(_COUNT)).scalar_one())
            return before * 10 + await counter.value()

    assert run(OneWriter(connection_url=f"sqlite+aiosqlite:///{tmp_path}/ours.db"), nested) == 0


def test_a_statement_outside_a_transaction_waits_for_one(tmp_path: Path) -> None:
    """Prefect's recorder of events writes so, two tables one after the other: given up, an event loses its parts."""

    async def beside(counter: Counter) -> int:
        async with counter.session() as lone:

            async def holds() -> None:
                async with counter.session() as session, counter.config.begin_transaction(session):
                    await session.execute(_SET, {"value": 3})
                    await asyncio.sleep(0.5)

            held = asyncio.create_task(holds())
            await asyncio.sleep(0.1)
            await lone.execute(text("UPDATE counted SET value = value + 4"))
            await lone.commit()
            await held
        return await counter.value()

    assert run(OneWriter(connection_url=f"sqlite+aiosqlite:///{tmp_path}/ours.db"), beside) == 7


@pytest.mark.timeout(30)
def test_what_is_no_waiting_is_raised_and_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_prefect, "_PATIENCE_SECONDS", float("inf"))

    async def refused(counter: Counter) -> int:
        async with counter.session() as lone:
            with pytest.raises(OperationalError, match="no such table"):
                await lone.execute(text("SELECT * FROM nowhere"))
            await lone.execute(text("CREATE UNIQUE INDEX once ON counted (value)"))
            with pytest.raises(IntegrityError, match="UNIQUE"):
                await lone.execute(text("INSERT INTO counted VALUES (0)"))
        return await counter.value()

    assert run(OneWriter(connection_url=f"sqlite+aiosqlite:///{tmp_path}/ours.db"), refused) == 0


def test_a_session_that_has_ended_leaves_nothing_to_garbage_collection(tmp_path: Path) -> None:
    async def ended(counter: Counter) -> int:
        gc.disable()
        try:
            async with counter.session() as session:
                await session.execute(_COUNT)
                left = weakref.ref(session)
            del session
            return int(left() is None)
        finally:
            gc.enable()

    assert run(OneWriter(connection_url=f"sqlite+aiosqlite:///{tmp_path}/ours.db"), ended) == 1
