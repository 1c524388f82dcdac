"""Run the scoring server until it is told to stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from datetime import datetime
from types import FrameType

import uvicorn

from components.data.moments import utc_now
from components.serving.app import create_app
from components.serving.config import ServerConfig, ServerConfigError
from components.serving.service import Service

_BACKLOG = 1024  # connections


def run_server(config: ServerConfig, *, on_listening: Callable[[str], None] = lambda url: None) -> None:
    """Serve until SIGTERM or SIGINT; then take no more, answer what is under way, and return.

    `on_listening` is told the address once it is bound: with port 0 that of a free port. Raises
    ServerConfigError if the address cannot be bound.
    """
    with _bound(config) as listening:
        host, port = listening.getsockname()[:2]
        server = make_server(config)

        def stop(number: int, frame: FrameType | None) -> None:
            server.should_exit = True

        # for the moment before uvicorn's own handlers stand, and for the one after: once it has stopped it raises
        # the signal again, which would end the process with an error
        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            on_listening(f"http://{f'[{host}]' if ':' in host else host}:{port}")
            server.run(sockets=[listening])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def make_server(config: ServerConfig, *, now: Callable[[], datetime] = utc_now) -> uvicorn.Server:
    """The server, not yet running. `now` is the clock that ages are measured against."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(Service(config, now=now)),
            host=config.host,
            port=config.port,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(config.drain_seconds)),
            lifespan="on",
        )
    )


def _bound(config: ServerConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((config.host.strip("[]"), config.port))
        listening.listen(_BACKLOG)  # whoever connects from now on waits until the server answers
    except OSError as error:
        listening.close()
        raise ServerConfigError(
            f"{config.host}:{config.port} cannot be bound ({error.strerror}). Another program may hold the port: "
            "choose one with --port."
        ) from None
    return listening
