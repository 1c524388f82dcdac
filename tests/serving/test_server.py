"""The server as a process: it starts, says where, and on SIGTERM answers what is under way and ends with 0."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from components.serving.config import ServerConfigError
from components.serving.server import run_server
from tests.serving.world import World, ask, until

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from pathlib import Path
from components.serving.config import Batching, ServerConfig
from components.serving.server import run_server

home, tracking_uri, model_name = sys.argv[1:]
run_server(
    ServerConfig(
        model_name=model_name,
        tracking_uri=tracking_uri,
        artifacts=Path(home) / "fetched",
        feast_home=Path(home) / "feast",
        events_spool=Path(home) / "spool",
        port=0,
        poll_seconds=0.2,
        batching=Batching(window_ms=1000),
    ),
    on_listening=lambda url: print(url, flush=True),
)
"""


@contextmanager
def process(world: World) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server that lets a batch wait a whole second, so that requests are under way when it is stopped."""
    arguments = [sys.executable, "-c", PROGRAM, str(world.home), world.tracking_uri, world.model_name]
    environ = os.environ | {"OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(arguments, cwd=CHECKOUT, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        yield child, child.stdout.readline().strip()
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


def test_sigterm_answers_what_is_under_way_and_ends_cleanly(world: World):
    world.register("one", champion=True)
    # one client, made before: four that are made on a busy machine may come too late
    with (
        process(world) as (child, url),
        httpx.Client(base_url=url, timeout=60) as client,
        ThreadPoolExecutor(4) as asking,
    ):
        until(lambda: client.get("/ready").status_code == 200)
        running = [
            asking.submit(client.post, "/v1/recommendations", json={"user_id": f"u{n}"}) for n in range(4)
        ]
        time.sleep(0.5)  # they wait for their batch now
        child.send_signal(signal.SIGTERM)
        assert [answer.result().status_code for answer in running] == [200] * 4
        assert child.wait(30) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/health")


def test_sigterm_before_it_is_ready_ends_it_too(world: World):
    with process(world) as (child, _):
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0


def test_what_was_taken_survives_a_kill(world: World):
    world.register("one", champion=True)
    with process(world) as (child, url):
        with httpx.Client(base_url=url, timeout=60) as client:
            until(lambda: client.get("/ready").status_code == 200)
            sent = {"user_id": "ada", "item_id": "i00", "timestamp": 1_000}
            assert client.post("/v1/events", json=sent).status_code == 200
            child.kill()
        child.wait()
    (file,) = (world.home / "spool").glob("*/events.csv")
    assert file.read_text().splitlines()[1].endswith(",ada,i00,interaction,1970-01-01T00:16:40.000000+00:00,")
    with process(world) as (_, url), httpx.Client(base_url=url, timeout=60) as client:
        until(lambda: client.get("/ready").status_code == 200)
        assert ask(client, user_id="ada", k=1)["items"][0]["item_id"] == "i01"


def test_a_port_that_is_taken_is_told(world: World):
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, pytest.raises(ServerConfigError, match=r"cannot be bound .*--port"):
        run_server(world.config(port=taken.getsockname()[1]))
