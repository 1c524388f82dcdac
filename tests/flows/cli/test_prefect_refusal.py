"""What Prefect refuses is told in one message, by what its own client raises; any other failure keeps its traceback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_CSRF_SUPPORT_ENABLED,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)

from flows.cli.prefect_refusal import PrefectUnreachable, prefect_refusal
from flows.outages import is_outage
from tests.flows.conftest import free_ports


class _Failing(BaseHTTPRequestHandler):
    status = 500

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def failing() -> Iterator[int]:
    """The port of a server that answers every question with `_Failing.status`."""
    with HTTPServer(("127.0.0.1", 0), _Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def refused(port: int, monkeypatch: pytest.MonkeyPatch) -> BaseException:
    """What Prefect's client raises when it asks there."""
    address = f"http://127.0.0.1:{port}/api"
    monkeypatch.setenv("PREFECT_API_URL", address)  # what recloop's settings read
    told = {
        PREFECT_API_URL: address,
        PREFECT_CLIENT_MAX_RETRIES: 0,
        PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False,
    }
    with (
        temporary_settings(updates=told),
        pytest.raises(Exception) as raised,  # noqa: PT011
        get_client(sync_client=True) as client,
    ):
        client.read_flow_runs()
    return raised.value


@pytest.mark.parametrize(("status", "passes"), [(500, True), (401, False)])
def test_an_answer_that_it_failed_names_address_question_and_fix(
    failing: int, status: int, passes: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_Failing, "status", status)
    error = refused(failing, monkeypatch)
    told = prefect_refusal(error)
    assert isinstance(told, PrefectUnreachable)
    begin = f"Prefect at http://127.0.0.1:{failing} answered {status} to POST /api/flow_runs/filter"
    assert str(told).startswith(begin)
    assert "PREFECT_API_URL" in str(told)
    assert "run the same command again" in str(told)
    assert ("PREFECT_API_AUTH_STRING" in str(told)) == (status == 401)
    assert is_outage(error) is passes


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch):
    (port,) = free_ports(1)
    error = refused(port, monkeypatch)
    told = str(prefect_refusal(error))
    assert told.startswith(f"Prefect at http://127.0.0.1:{port} does not answer (")
    assert is_outage(error)


def test_other_failures_are_none_of_prefects():
    for error in (ConnectionRefusedError("no"), KeyError("x"), RuntimeError("a flow failed")):
        assert prefect_refusal(error) is None
