"""What every request passes before it reaches a route: host, origin, size, key, rate; and headers on the way back."""

from __future__ import annotations

import json
import time
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.serving.access import KeyRing, RateLimit
from components.serving.config import ServerConfig
from components.serving.metrics import ServerMetrics
from components.serving.refusals import RequestRefused

OPEN_PATHS = frozenset({"/", "/page.css", "/page.js", "/health", "/ready", "/openapi.json"})  # hold no data
_ROUTES = OPEN_PATHS | {"/metrics", "/v1/recommendations", "/v1/events", "/v1/items"}
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
]


class Guard:
    """Wraps the application. A refused request never reaches it, and is counted like the others."""

    def __init__(self, app: ASGIApp, *, config: ServerConfig, metrics: ServerMetrics) -> None:
        self._app, self._config, self._metrics = app, config, metrics
        self._keys = KeyRing(config.keys)
        self._rate = RateLimit(per_second=config.limits.rate_per_second, burst=config.limits.burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, path = time.perf_counter(), _label(scope["path"])
        status = 500

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", []), *_HEADERS]}
            await send(message)

        try:
            await self._pass(scope, receive, send_on)
        finally:
            self._metrics.requests.labels(path, str(status)).inc()
            self._metrics.seconds.labels(path).observe(time.perf_counter() - begin)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self._refuse_foreign(headers)
            if scope["path"] not in OPEN_PATHS:
                self._refuse_stranger(headers)
            body = await self._body(headers, receive)
        except RequestRefused as refused:
            await _refuse(refused, send)
            return
        await self._app(scope, _once(body, receive), send)

    def _refuse_foreign(self, headers: dict[str, str]) -> None:
        """A page of another site must not reach this machine's server by a name of its own (DNS rebinding)."""
        host = headers.get("host", "").lower()
        if (allowed := self._config.hosts) is not None and _without_port(host) not in allowed:
            raise RequestRefused(
                421,
                "foreign_host",
                "this server does not answer to that Host. Name it in RECLOOP_SERVE_ALLOWED_HOSTS, or ask it as "
                "localhost.",
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin.lower()).netloc != host:
            raise RequestRefused(403, "foreign_origin", "pages of other sites may not ask this server")

    def _refuse_stranger(self, headers: dict[str, str]) -> None:
        caller = self._keys.caller(headers)
        if caller is None:
            raise RequestRefused(
                401, "key_needed", "send one of the server's API keys, as X-API-Key or Authorization: Bearer"
            )
        if wait := self._rate.wait(caller):
            raise RequestRefused(429, "too_many_requests", "this key asks too often", retry_after=wait)

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        """The whole body, or a refusal as soon as it is known to be too long."""
        most, body = self._config.limits.max_body_bytes, bytearray()
        told = headers.get("content-length", "0")
        too_long = RequestRefused(413, "body_too_long", f"a body holds at most {most:,} bytes")
        if told.isdecimal() and int(told) > most:
            raise too_long
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return bytes(body)  # the client has gone; the application sees a short body and fails
            body += message.get("body", b"")
            if len(body) > most:
                raise too_long
            if not message.get("more_body", False):
                return bytes(body)


def _once(body: bytes, receive: Receive) -> Receive:
    """Give the body out again, then whatever follows it."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _refuse(refused: RequestRefused, send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    headers += [(name.encode(), value.encode()) for name, value in extra_headers(refused).items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal_body(refused)})


def refusal_body(refused: RequestRefused) -> bytes:
    return json.dumps({"error": {"code": refused.code, "message": str(refused)}}).encode()


def extra_headers(refused: RequestRefused) -> dict[str, str]:
    headers = {} if refused.retry_after is None else {"retry-after": str(refused.retry_after)}
    return headers | ({"www-authenticate": "Bearer"} if refused.status == 401 else {})


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _label(path: str) -> str:
    """Few labels, whatever is asked for."""
    if path in _ROUTES:
        return path
    return "/images" if path.startswith("/images/") else "other"
