"""HTTP over a road that can be cut: one request and its whole answer at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.faults.wire import Road, answer

_END = b"\r\n\r\n"
_FAILED = b'{"error_code": "INTERNAL_ERROR", "message": "struck", "detail": "struck"}'
_HOP = {b"host", b"expect"}


@dataclass(frozen=True, kw_only=True)
class Message:
    """A request or an answer as it stands on the wire."""

    first: str
    headers: list[tuple[bytes, bytes]]
    body: bytes  # as it came, in chunks or not

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key.lower() == name), b"")

    def on_wire(self, *, host: bytes = b"") -> bytes:
        headers = (
            [(b"Host", host), *(h for h in self.headers if h[0].lower() not in _HOP)]
            if host
            else self.headers
        )
        return (
            b"\r\n".join([self.first.encode("latin1"), *(b": ".join(h) for h in headers)]) + _END + self.body
        )


async def relay(road: Road, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Requests of one connection, each over a connection of its own: the service may close idle ones as it likes."""
    while True:
        request = await _request(reader, writer)
        method, target, _ = request.first.split(" ", 2)
        cut = road.struck(f"{method} {target} {request.body.decode('utf-8', 'replace')}")
        if cut is not None and cut.how == "down":
            return road.close()
        if cut is not None and cut.how == "error":
            writer.write(_failure(method))
            await writer.drain()
            continue
        up = await asyncio.open_connection(*road.target, limit=1 << 26)
        try:
            up[1].write(request.on_wire(host="{}:{}".format(*road.target).encode()))
            await up[1].drain()
            reply = await _reply(up[0], method)
            await answer(cut, reply.on_wire(), writer)
            if reply.first.split(" ", 2)[1] == "101":
                return await _both_ways((reader, writer), up)
        finally:
            up[1].transport.abort()
        if b"close" in reply.header(b"connection").lower():
            return None


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Message:
    head = await _head(reader)
    if b"100-continue" in head.header(b"expect").lower():
        writer.write(b"HTTP/1.1 100 Continue" + _END)
        await writer.drain()
    return await _with_body(head, reader, until_closed=False)


async def _reply(reader: asyncio.StreamReader, method: str) -> Message:
    head = await _head(reader)
    status = head.first.split(" ", 2)[1]
    if status == "100":
        return await _reply(reader, method)
    if method == "HEAD" or status in ("101", "204", "304"):
        return head
    return await _with_body(head, reader, until_closed=True)


async def _head(reader: asyncio.StreamReader) -> Message:
    lines = (await reader.readuntil(_END)).removesuffix(_END).split(b"\r\n")
    headers = [(key.strip(), value.strip()) for key, _, value in (line.partition(b":") for line in lines[1:])]
    return Message(first=lines[0].decode("latin1"), headers=headers, body=b"")


async def _with_body(head: Message, reader: asyncio.StreamReader, *, until_closed: bool) -> Message:
    if told := head.header(b"content-length"):
        body = await reader.readexactly(int(told))
    elif b"chunked" in head.header(b"transfer-encoding").lower():
        body, length = b"", -1
        while length:
            line = await reader.readuntil(b"\r\n")
            length = int(line.split(b";")[0], 16)
            body += line + await reader.readexactly(length + 2)
    else:
        body = await reader.read() if until_closed else b""
    return Message(first=head.first, headers=head.headers, body=body)


def _failure(method: str) -> bytes:
    head = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: "
    return head + str(len(_FAILED)).encode() + _END + (b"" if method == "HEAD" else _FAILED)


async def _both_ways(*ends: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Bytes, once HTTP is over (a websocket)."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    (one, other) = ends
    pumps = [asyncio.ensure_future(pump(one[0], other[1])), asyncio.ensure_future(pump(other[0], one[1]))]
    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    for each in pumps:
        each.cancel()
