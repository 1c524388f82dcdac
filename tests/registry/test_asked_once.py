"""What makes something new is asked of MLflow once, also where its reply is lost; what only reads is asked again."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from components.registry.asked_once import asked_once


@contextmanager
def losing_replies() -> Iterator[tuple[str, list[str]]]:
    """A server that takes each request, and ends the connection without an answer: address, and what was asked."""
    asked: list[str] = []

    class Loses(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path.rpartition("/")[2])
            self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Loses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()


@pytest.fixture(autouse=True)
def one_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")


def test_a_lost_reply_is_no_second_request() -> None:
    with losing_replies() as (address, asked):
        client = MlflowClient(address)
        with asked_once(), pytest.raises(MlflowException):
            client.create_run("0")
        assert asked == ["create"]
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
        with pytest.raises(MlflowException):
            client.create_run("0")  # MLflow's own way
        assert asked == ["create"] * 3


def test_a_setting_that_was_not_there_is_not_there_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    with asked_once():
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ
