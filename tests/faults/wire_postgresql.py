"""PostgreSQL's protocol over a road that can be cut: a statement, and all that is answered to it."""

from __future__ import annotations

import asyncio
import struct

from tests.faults.wire import Cut, Road, answer

_ENCRYPTION = {80877103, 80877104}  # asked for before anything else, and refused
_IN_A_BATCH = b"PBDEC"  # messages that wait for the one that ends their batch
_ANSWERED = b"ZG"  # ready for a query, or for rows of a COPY
_FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
_TERMINATED = b"E" + struct.pack("!i", 4 + len(_FIELDS)) + _FIELDS


async def relay(road: Road, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One session."""
    startup = await _startup(reader, writer)
    cut = road.struck("connect")
    if await _is_over(cut, road, writer):
        return
    up = await asyncio.open_connection(*road.target, limit=1 << 26)
    try:
        up[1].write(startup)
        await up[1].drain()
        session = _Session(road, cut)
        ways = [
            asyncio.ensure_future(session.asked(reader, writer, up[1])),
            asyncio.ensure_future(session.answered(up[0], writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    finally:
        up[1].transport.abort()


class _Session:
    def __init__(self, road: Road, cut: Cut | None) -> None:
        self.road, self.cut = road, cut  # the cut that the next answer goes by
        self.answers = _ANSWERED if cut is None else b"R"  # to a connection: how to log in
        self.statements: dict[bytes, str] = {}
        self.transaction = ""  # what was asked in it

    async def asked(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, up: asyncio.StreamWriter
    ) -> None:
        batch = b""
        cut: Cut | None = None
        while True:
            kind, message = await _message(reader)
            if (statement := self._statement(kind, message[5:])) is not None:
                cut = self.road.struck(self._in_its_transaction(statement)) or cut
            batch += message
            if kind in _IN_A_BATCH:
                continue
            if await _is_over(cut, self.road, writer):
                return
            self.cut, cut = cut or self.cut, None
            up.write(batch)
            await up.drain()
            batch = b""

    async def answered(self, up: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held = b""
        while True:
            kind, message = await _message(up)
            held += message
            if self.cut is not None and kind not in self.answers:
                continue
            cut, self.cut, self.answers = self.cut, None, _ANSWERED
            await answer(cut, held, writer)
            held = b""

    def _in_its_transaction(self, statement: str) -> str:
        """A COMMIT, with what it commits."""
        if statement.startswith("COMMIT"):
            return f"{statement} {self.transaction}"
        self.transaction = ("" if statement.startswith("BEGIN") else self.transaction) + statement[:60] + "\n"
        return statement

    def _statement(self, kind: bytes, body: bytes) -> str | None:
        """What is asked: of a prepared one, what was prepared under its name."""
        if kind == b"Q":
            return body.rstrip(b"\0").decode()
        if kind == b"P":
            name, text, _ = body.split(b"\0", 2)
            self.statements[name] = text.decode()
            return None
        if kind == b"B":
            return self.statements.get(body.split(b"\0", 2)[1], "")
        return None


async def _is_over(cut: Cut | None, road: Road, writer: asyncio.StreamWriter) -> bool:
    """Whether the session ends here, and what was asked goes no further."""
    if cut is None or cut.how not in ("down", "error"):
        return False
    if cut.how == "down":
        road.close()
    else:
        writer.write(_TERMINATED)
        await writer.drain()
        await asyncio.sleep(0.05)
    return True


async def _startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    while True:
        length = await reader.readexactly(4)
        packet = length + await reader.readexactly(struct.unpack("!i", length)[0] - 4)
        if struct.unpack("!i", packet[4:8])[0] not in _ENCRYPTION:
            return packet
        writer.write(b"N")
        await writer.drain()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)
