"""The receiver of MLflow's webhook: a small HTTP server on loopback that verifies, and then wakes the watcher."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from components.registry.webhook import (
    Delivery,
    DeliveryRefused,
    ReplayedDelivery,
    SeenDeliveries,
    verify_delivery,
)

PATH = "/mlflow"
_LONGEST_BODY = 1_000_000  # a tag of MLflow holds 100,000 characters at most
_SECONDS_A_REQUEST = 10.0


@contextmanager
def receiving(
    secret: str, on_delivery: Callable[[Delivery], None], *, host: str = "127.0.0.1", port: int = 0
) -> Iterator[str]:
    """Take deliveries inside the block; gives the address to name to MLflow (port 0: a free one).

    Answers 204 to what is in order, 401 to what is not signed or stale, 409 to what came before (MLflow
    repeats neither), 413 to what is too long. Raises OSError if the port is taken.
    """
    if not secret:
        raise ValueError("a webhook without a secret would let anybody wake this process")
    server = ThreadingHTTPServer((host, port), _handler(secret, on_delivery))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.2,), name="webhook", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}{PATH}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(secret: str, on_delivery: Callable[[Delivery], None]) -> type[BaseHTTPRequestHandler]:
    seen, one_at_a_time = SeenDeliveries(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        timeout = _SECONDS_A_REQUEST

        def do_POST(self) -> None:
            self.send_response(self._take())
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _take(self) -> int:
            length = self.headers.get("Content-Length", "")
            if self.path != PATH:
                return 404
            if not length.isdecimal() or int(length) > _LONGEST_BODY:
                self.close_connection = True
                return 413
            try:
                with one_at_a_time:
                    delivery = verify_delivery(
                        dict(self.headers.items()), self.rfile.read(int(length)), secret=secret, seen=seen
                    )
            except ReplayedDelivery:
                return 409
            except DeliveryRefused:
                return 401
            on_delivery(delivery)
            return 204

        def log_message(self, format: str, *args: object) -> None:
            """What came in is told by who is called."""

    return Handler
