"""A server of this machine that answers to its own names and its own pages only, whatever it would answer itself.

Loopback keeps other machines out, not a browser's other pages: one under a name of its own that resolves to 127.0.0.1
(DNS rebinding), and one of any other server of this machine. MLflow 3.17 lets every page of localhost write, of
whatever port, and tells its health to any name; Prefect 3.8 answers to any name, and its websockets to any page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

NAMES = frozenset({"127.0.0.1", "localhost"})
_HTTP = 80
_TOLD = (
    b"only this server's own pages may ask it, as 127.0.0.1 or localhost: "
    b"from another machine forward its port (ssh -L)\n"
)


class OwnPagesOnly:
    """An ASGI application behind a check of Host and Origin; what is foreign gets 403, and never reaches it."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"} or is_own(scope["headers"]):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: 403
        else:
            headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": _TOLD})


def is_own(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request names this machine, and comes from a page of the very server that it asks, or of none.

    A page opened as localhost may ask as 127.0.0.1, and the other way round: to a browser these are two origins.
    """
    given = [(name.lower(), value.decode("latin-1")) for name, value in headers]
    asked = {_place(f"http://{value}") for name, value in given if name == b"host"}
    pages = {_place(value) for name, value in given if name == b"origin"}
    return len(asked) == 1 and None not in asked and pages <= asked


def _place(origin: str) -> int | None:
    """The port of an http origin of this machine; None for any other, and for what is none."""
    try:
        parts = urlsplit(origin)
        port = parts.port or _HTTP
    except ValueError:
        return None
    is_bare = parts.scheme == "http" and not (parts.path or parts.query or parts.fragment or parts.username)
    return port if is_bare and parts.hostname in NAMES else None
