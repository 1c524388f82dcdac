"""Requests of strangers, given to the checks themselves as ASGI messages: the scoring server's and the engines'."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from components.own_pages import OwnPagesOnly
from components.serving.config import Limits, ServerConfig, ServerConfigError
from components.serving.guard import Guard
from components.serving.metrics import ServerMetrics
from tests.faults.probing import Probe, refused

_KEY = "the-key-of-tests-0123456789"
_HOST = {"host": "127.0.0.1:8000"}
_OWN = _HOST | {"x-api-key": _KEY}
_MOST = 2_000  # bytes of a body


class _Reached:
    """The application behind a check: notes that it was reached."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.count += 1
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})


def probes(scratch: Path) -> Iterator[Probe]:
    for name, headers, body in _at_the_scoring_server():
        yield Probe(
            name=name, where="POST /v1/recommendations, guard", holds="never reaches the application",
            control=partial(_guarded, _OWN, b"{}"),
            attack=lambda headers=headers, body=body: _said(_guarded(headers, body)),
        )  # fmt: skip
    for kind in ("http", "websocket"):
        for name, headers in _at_the_engines():
            yield Probe(
                name=f"{name}, {kind}", where="MLflow and Prefect of this machine", holds="never reaches the engine",
                control=partial(_own, kind, {"host": "localhost:5000", "origin": "http://127.0.0.1:5000"}),
                attack=lambda kind=kind, headers=headers: _said(_own(kind, headers)),
            )  # fmt: skip
    for name, given in (("no key", {}), ("a short key", {"keys": (SecretStr("short"),)})):
        yield Probe(
            name=name, where="scoring server beyond this machine", holds="does not start",
            control=partial(_config, scratch, host="0.0.0.0", keys=(SecretStr(_KEY),)),
            attack=partial(refused, partial(_config, scratch, host="0.0.0.0", **given), ServerConfigError),
        )  # fmt: skip


def _at_the_scoring_server() -> Iterator[tuple[str, Mapping[str, str], bytes]]:
    yield "no key", _HOST, b"{}"
    yield "a wrong key", _HOST | {"x-api-key": "another-key-0123456789-0123"}, b"{}"
    yield "the key cut short", _HOST | {"x-api-key": _KEY[:-1]}, b"{}"
    yield "the key as Basic", _HOST | {"authorization": f"Basic {_KEY}"}, b"{}"
    yield "an empty Bearer", _HOST | {"authorization": "Bearer "}, b"{}"
    for host in ("evil.example", "127.0.0.1.evil.example:8000", "evil.example@127.0.0.1", ""):
        yield f"Host {host!r}", _OWN | {"host": host}, b"{}"
    for origin in (
        "https://evil.example",
        "http://localhost:9999",
        "null",
        "http://127.0.0.1:8000.evil.example",
    ):
        yield f"Origin {origin}", _OWN | {"origin": origin}, b"{}"
    yield "a long body, its length told", _OWN | {"content-length": "9999999"}, b"{}"
    yield "a long body, untold", _OWN, b"x" * (_MOST + 1)


def _at_the_engines() -> Iterator[tuple[str, Mapping[str, str]]]:
    yield "no Host", {}
    for host in (
        "evil.example:5000",
        "127.0.0.1.evil.example:5000",
        "localhost.evil.example",
        "evil@localhost:5000",
    ):
        yield f"Host {host}", {"host": host}
    for origin in ("http://localhost:9999", "https://evil.example", "null", "https://localhost:5000",
                   "http://127.0.0.1:5000.evil.example"):  # fmt: skip
        yield f"Origin {origin}", {"host": "localhost:5000", "origin": origin}


def _config(scratch: Path, **given: Any) -> ServerConfig:
    return ServerConfig(
        model_name="m",
        tracking_uri=f"sqlite:///{scratch}/mlflow.db",
        artifacts=scratch,
        feast_home=scratch,
        **given,
    )


def _guarded(headers: Mapping[str, str], body: bytes) -> int:
    """How often the application was reached."""
    reached = _Reached()
    config = _config(Path("/nowhere"), keys=(SecretStr(_KEY),), limits=Limits(max_body_bytes=_MOST))
    guard = Guard(reached, config=config, metrics=ServerMetrics())
    _ask(guard, "http", headers, body)
    return reached.count


def _own(kind: str, headers: Mapping[str, str]) -> int:
    reached = _Reached()
    _ask(OwnPagesOnly(reached), kind, headers, b"{}")
    return reached.count


def _ask(app: Any, kind: str, headers: Mapping[str, str], body: bytes) -> None:
    pieces = [body[at : at + 500] for at in range(0, len(body), 500)] or [b""]
    waiting = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces) - 1}
        for number, piece in enumerate(pieces)
    ]

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "method": "POST", "path": "/v1/recommendations", "headers": given}
    asyncio.run(app(scope, receive, send))


def _said(count: int) -> str:
    return "it reached the application" if count else ""
