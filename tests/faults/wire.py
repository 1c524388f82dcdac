"""A road to a service that can be cut: a proxy in a process of its own, told over a port of its own what to strike.

It knows enough of HTTP and of PostgreSQL's protocol to see single requests and whole answers, so that it can lose
exactly one: the effect is there, and whoever asked does not know.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

LOOPBACK = "127.0.0.1"
How = Literal["down", "slow", "error", "reset", "lost"]
HOWS: dict[How, str] = {
    "down": "down: refused from there on",
    "slow": "slow: the answer comes late",
    "error": "an error for an answer",
    "reset": "reset in the middle of the answer",
    "lost": "done, and the reply is lost",
}
_MOST_TOLD = 4_000  # characters of a request that are looked at
_PIECES = 8


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What becomes of which request."""

    how: How
    what: str  # regular expression of the request: method, path and body; a statement; or `connect`
    at: int = 1  # the how-many-th that matches
    seconds: float = 0.0  # that a slow answer is held back
    stays: bool = False  # every later match is struck too
    back: float = 0.0  # seconds after which a road that is down is open again; 0: when it is told


@dataclass(kw_only=True)
class Road:
    """The state of a proxy."""

    port: int
    target: tuple[str, int]
    cut: Cut | None = None
    matched: int = 0
    fired: int = 0
    seen: list[str] = field(default_factory=list)
    listening: asyncio.Server | None = None
    open: set[asyncio.StreamWriter] = field(default_factory=set)
    waiting: asyncio.Future[None] | None = None
    carry: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None = None

    def struck(self, request: str) -> Cut | None:
        """The cut, if this request is to be struck by it."""
        told = request[:_MOST_TOLD]
        self.seen.append(told[:300])
        if self.cut is None or not re.search(self.cut.what, told, re.DOTALL):
            return None
        self.matched += 1
        if self.matched != self.cut.at and not (self.cut.stays and self.matched > self.cut.at):
            return None
        self.fired += 1
        return self.cut

    def close(self) -> None:
        """Nothing listens any more: who comes now is refused, and who was here is cut off."""
        for writer in self.open:
            writer.transport.abort()
        if self.listening is not None:
            self.listening.close()
            self.listening = None
        if self.cut is not None and self.cut.back:
            self.waiting = asyncio.ensure_future(self._open_later(self.cut.back))

    async def _open_later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.reopen()

    async def reopen(self) -> None:
        if self.listening is None and self.carry is not None:
            self.listening = await asyncio.start_server(self.carry, LOOPBACK, self.port, limit=1 << 26)


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A proxy that runs, as seen from any process."""

    port: int
    control: int

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def arm(self, cut: Cut) -> None:
        self._tell({"arm": asdict(cut)})

    def disarm(self) -> tuple[int, list[str]]:
        """The road is open again. How often it was cut since it was armed, and what went over it."""
        told = self._tell({})
        return told["fired"], told["seen"]

    def _tell(self, what: dict[str, Any]) -> Any:
        with (
            socket.create_connection((LOOPBACK, self.control), timeout=30) as asked,
            asked.makefile("rw") as told,
        ):
            told.write(json.dumps(what) + "\n")
            told.flush()
            return json.loads(told.readline())


@contextmanager
def wire_to(port: int, protocol: Literal["http", "postgresql"]) -> Iterator[Wire]:
    """A proxy before a port of this machine, for as long as the block lasts."""
    taken = [socket.create_server((LOOPBACK, 0)) for _ in range(2)]
    ours, control = (int(one.getsockname()[1]) for one in taken)
    begun = multiprocessing.get_context("fork").Process(
        target=_serve, args=(taken, ours, (LOOPBACK, port), protocol), daemon=True
    )
    begun.start()
    for one in taken:
        one.close()
    try:
        yield Wire(port=ours, control=control)
    finally:
        begun.kill()
        begun.join()


def _serve(taken: list[socket.socket], port: int, target: tuple[str, int], protocol: str) -> None:
    with suppress(KeyboardInterrupt):
        asyncio.run(_until_killed(taken, Road(port=port, target=target), protocol))


async def _until_killed(taken: list[socket.socket], road: Road, protocol: str) -> None:
    from tests.faults import wire_http, wire_postgresql

    relay = {"http": wire_http.relay, "postgresql": wire_postgresql.relay}[protocol]

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        road.open.add(writer)
        try:
            await relay(road, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one end is gone
        finally:
            road.open.discard(writer)
            writer.transport.abort()

    async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = json.loads(await reader.readline())
        answer = {"fired": road.fired, "seen": road.seen}
        road.cut, road.matched, road.fired, road.seen = None, 0, 0, []
        if "arm" in asked:
            road.cut = Cut(**asked["arm"])
        await road.reopen()
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()

    road.carry = carry
    road.listening = await asyncio.start_server(carry, sock=taken[0], limit=1 << 26)
    async with await asyncio.start_server(told, sock=taken[1]) as control:
        await control.serve_forever()


async def answer(cut: Cut | None, reply: bytes, writer: asyncio.StreamWriter) -> None:
    """Give the reply as the cut lets it through. Raises ConnectionError where the connection ends by that."""
    if cut is not None and cut.how == "slow":
        await asyncio.sleep(cut.seconds)
        step = max(len(reply) // _PIECES, 1)
        for at in range(0, len(reply), step):
            writer.write(reply[at : at + step])
            await writer.drain()
            await asyncio.sleep(0.02)
        return
    if cut is not None and cut.how == "reset":
        writer.write(reply[: len(reply) // 2])
        await writer.drain()
        await asyncio.sleep(0.05)  # half of it arrives
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionResetError
    if cut is not None:  # lost
        raise ConnectionAbortedError
    writer.write(reply)
    await writer.drain()
