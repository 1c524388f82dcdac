"""A bundle that MLflow lists and does not hand over: an outage by name, without the password of the address."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from components.registry import tracking
from components.registry.registered import TrackingUnreachable
from components.registry.versions import fetch_bundle

DIGEST = "0123456789abcdef0123"
FILES = b'{"files": [{"path": "items.parquet", "is_dir": false, "file_size": 3}]}'


@contextmanager
def keeping_its_files() -> Iterator[str]:
    """A server that lists one file, and fails when it is asked for it: its port."""

    class Fails(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_listing = "?path=" in self.path
            self.send_response(200 if is_listing else 500)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(FILES if is_listing else b"{}")

    with ThreadingHTTPServer(("127.0.0.1", 0), Fails) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield str(server.server_port)
        finally:
            server.shutdown()


def test_half_a_download_is_an_outage_and_shows_no_password(
    mlflow_here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with keeping_its_files() as port:
        tracking.configure(f"http://someone:sesamopen@127.0.0.1:{port}")
        with pytest.raises(TrackingUnreachable) as told:
            fetch_bundle("mlflow-artifacts:/models/m-1", DIGEST, tmp_path)
    message = str(told.value)
    assert f"did not come whole from MLflow at http://someone:***@127.0.0.1:{port}" in message
    assert "run the same command again" in message
    assert "sesamopen" not in message
