"""The real Prefect and MLflow servers: started once for this file, on free ports, in a folder apart."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from flows.engine_environment import engine_environment
from flows.local.engine_servers import run_folder
from flows.local.mlflow_schema import ServerFailed
from flows.local.process import (
    PortInUse,
    Recorded,
    group_members,
    port_taken,
    read_record,
    spawn,
    write_record,
)
from flows.local.servers import Servers, running_servers
from flows.settings import LOOPBACK, Settings

ROOT = Path(__file__).resolve().parents[3]
SLEEPER = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def settings_in(home: Path) -> Settings:
    """Settings with ports of their own, whatever the caller's environment says."""
    prefect, mlflow, docs = free_port(), free_port(), free_port()
    return Settings(
        home=home,
        prefect_port=prefect,
        mlflow_port=mlflow,
        docs_port=docs,
        prefect_api_url=f"http://{LOOPBACK}:{prefect}/api",
        mlflow_tracking_uri=f"http://{LOOPBACK}:{mlflow}",
    )


def recorded(settings: Settings, name: str) -> Recorded | None:
    """What is written down of a server, or of the keeper."""
    return read_record(run_folder(settings) / f"{name}.json")


def recorded_pid(settings: Settings, name: str) -> int:
    record = recorded(settings, name)
    assert record is not None
    return record.pid


def answer(url: str, **headers: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as got:
            return got.status, got.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def until(condition: Callable[[], object], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_in(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def servers(settings: Settings) -> Iterator[Servers]:
    """Both servers, on a home where an earlier MLflow hangs without listening.

    That one must be cleared away first; and when the file is done, all must be gone with their children.
    """
    settings.home.joinpath("run").mkdir()
    environ = os.environ | engine_environment(settings)
    hanging = spawn(SLEEPER, environ=environ, folder=settings.home, log=settings.home / "hanging.log")
    write_record(run_folder(settings) / "mlflow.json", hanging.pid, port=settings.mlflow_port)
    said: list[str] = []
    with running_servers(settings, said.append) as running:
        assert said[0] == "starting Prefect and MLflow"
        assert hanging.wait(timeout=1) == -signal.SIGTERM
        pids = [recorded_pid(settings, name) for name in running.started]
        yield running
    assert [group_members(pid) for pid in pids] == [[], []]
    assert not port_taken(LOOPBACK, settings.prefect_port)
    assert not port_taken(LOOPBACK, settings.mlflow_port)
    assert not list((settings.home / "run").glob("*.json"))


def test_both_answer_and_listen_on_this_machine_only(settings: Settings, servers: Servers) -> None:
    assert servers.started == ("prefect", "mlflow")
    assert answer(f"{settings.prefect_api_url}/health") == (200, "true")
    assert answer(f"{settings.mlflow_tracking_uri}/health") == (200, "OK")
    for name in servers.started:
        for member in group_members(recorded_pid(settings, name)):
            for connection in member.net_connections(kind="inet"):
                if connection.status == psutil.CONN_LISTEN:
                    assert connection.laddr.ip == LOOPBACK


def test_each_is_one_process(settings: Settings, servers: Servers) -> None:
    """MLflow's own command starts a second, which loads all of it again."""
    assert [len(group_members(recorded_pid(settings, name))) for name in servers.started] == [1, 1]


def test_state_lies_in_home(settings: Settings, servers: Servers) -> None:
    for name in ("mlflow.db", "prefect/prefect.db", "logs/mlflow.log", "logs/prefect.log"):
        assert (settings.home / name).stat().st_size > 0


def test_they_answer_to_their_own_names_and_pages_only(settings: Settings, servers: Servers) -> None:
    mlflow, prefect = settings.mlflow_tracking_uri, settings.prefect_api_url
    search = f"{mlflow}/api/2.0/mlflow/registered-models/search"
    for url in (search, f"{mlflow}/health", f"{prefect}/health", f"{prefect}/admin/version"):
        assert answer(url)[0] == 200
        assert answer(url, Host="attacker.example.org")[0] == 403, url
        assert answer(url, Origin=f"http://localhost:{free_port()}")[0] == 403, url
        assert answer(url, Origin=url.partition("/api")[0].removesuffix("/health"))[0] == 200, url


def test_a_model_version_may_not_come_from_a_path(settings: Settings, servers: Servers) -> None:
    """Else whoever reaches the port could register, and then download, any folder of this machine."""
    from mlflow import MlflowClient
    from mlflow.exceptions import RestException

    # both: another test of this process may have named a registry of its own
    client = MlflowClient(settings.mlflow_tracking_uri, registry_uri=settings.mlflow_tracking_uri)
    client.create_registered_model("probe")
    with pytest.raises(RestException, match="Invalid model version source"):
        client.create_model_version("probe", source="/etc")


def test_a_flow_run_reaches_the_server(settings: Settings, servers: Servers, tmp_path: Path) -> None:
    """A client process with our environment gets past CSRF protection, and is quiet on the terminal."""
    flow = tmp_path / "flow.py"
    flow.write_text(
        textwrap.dedent(
            """
            from prefect import flow, get_client
            from prefect.logging import get_run_logger

            @flow(name="probe")
            def probe() -> int:
                get_run_logger().info("seen in the UI only")
                return 7

            if __name__ == "__main__":
                assert probe() == 7
                runs = get_client(sync_client=True).read_flow_runs()
                print([run.state_name for run in runs])
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(flow)],
        env=os.environ | engine_environment(settings),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "['Completed']"), done.stderr
    assert done.stderr == ""


def test_every_line_of_a_run_has_arrived_when_its_user_leaves(settings: Settings, servers: Servers) -> None:
    """Prefect sends lines every other second from a thread, which would find the last user's server gone."""
    script = """
        from flows.local.servers import running_servers
        from flows.settings import load_settings

        settings = load_settings()
        with running_servers(settings):
            from prefect import flow, get_client
            from prefect.logging import get_run_logger

            @flow(name="talker")
            def talker() -> None:
                for number in range(20):
                    get_run_logger().info("line %s of the talker", number)

            talker()
        lines = get_client(sync_client=True).read_logs(limit=200)
        print(sum("of the talker" in line.message for line in lines))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=os.environ | engine_environment(settings) | {
            "RECLOOP_PREFECT_PORT": str(settings.prefect_port), "RECLOOP_MLFLOW_PORT": str(settings.mlflow_port),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("20", "")


def test_the_second_user_neither_starts_nor_stops(settings: Settings, servers: Servers) -> None:
    before = {name: recorded(settings, name) for name in servers.started}
    with running_servers(settings) as second:
        assert second.started == ()
        assert second.seconds < 5
    assert {name: recorded(settings, name) for name in servers.started} == before
    assert answer(f"{settings.mlflow_tracking_uri}/health")[0] == 200


def test_a_database_of_prefect_that_is_held_is_told_sooner_than_prefect_would_and_then_takes_what_is_asked(
    settings: Settings, servers: Servers
) -> None:
    """Prefect's own setting waits for a minute, and whoever asked with it."""
    with (
        httpx.Client(base_url=settings.prefect_api_url, timeout=90) as prefect,
        closing(sqlite3.connect(settings.prefect_home / "prefect.db", isolation_level=None)) as other,
    ):
        token = prefect.get("/csrf-token", params={"client": "test"}).json()["token"]
        asking = {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": "test"}
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        held = prefect.post("/flows/", json={"name": "held"}, headers=asking)
        waited = time.monotonic() - began
        other.execute("ROLLBACK")
        assert (held.status_code, 15 < waited < 50) == (503, True)
    # on another connection: after a 503 the server closes the one that asked
    again = httpx.post(f"{settings.prefect_api_url}/flows/", json={"name": "held"}, headers=asking)
    assert again.status_code == 201


def test_runs_that_write_to_prefect_at_once_wait_for_one_another_and_none_is_sent_away(
    settings: Settings, servers: Servers
) -> None:
    """Sent away with 503, a client comes again after 2, 4, 8 and more seconds."""

    def answers(writer: int) -> list[int]:
        with httpx.Client(base_url=settings.prefect_api_url, timeout=90) as prefect:
            token = prefect.get("/csrf-token", params={"client": f"w{writer}"}).json()["token"]
            prefect.headers.update({"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": f"w{writer}"})
            flow = prefect.post("/flows/", json={"name": f"at once {writer}"})
            runs = [prefect.post("/flow_runs/", json={"flow_id": flow.json()["id"]}) for _ in range(25)]
            return [answer.status_code for answer in (flow, *runs)]

    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(answers, range(4))]
    assert found == [[201] * 26] * 4


def test_another_home_does_not_take_them_for_its_own(
    settings: Settings, servers: Servers, tmp_path: Path
) -> None:
    stranger = settings.model_copy(update={"home": tmp_path, "prefect_home": tmp_path / "prefect"})
    with pytest.raises(PortInUse, match="own_prefect"), running_servers(stranger):
        pass
    assert answer(f"{settings.prefect_api_url}/health")[0] == 200


def test_a_port_in_use_names_who_listens_and_the_fix(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with socket.socket() as stranger:
        stranger.bind((LOOPBACK, settings.mlflow_port))
        stranger.listen()
        with pytest.raises(PortInUse) as caught, running_servers(settings):
            pass
    message = str(caught.value)
    assert f"port {settings.mlflow_port}, meant for MLflow, is in use by process {os.getpid()}" in message
    assert f"RECLOOP_MLFLOW_PORT={settings.mlflow_port + 1}" in message
    assert not port_taken(LOOPBACK, settings.prefect_port)


def test_a_server_that_cannot_start_shows_why_and_the_other_is_stopped(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    (tmp_path / "mlflow.db").write_text("this is no database, " * 99)
    with pytest.raises(ServerFailed, match="file is not a database"), running_servers(settings):
        pass
    assert not port_taken(LOOPBACK, settings.prefect_port)
    assert not list((tmp_path / "run").glob("*.json"))
    assert (tmp_path / "mlflow.db").read_text().startswith("this is no database")  # nothing is thrown away


def test_servers_elsewhere_are_left_alone(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        prefect_api_url="https://prefect.example.org/api",
        mlflow_tracking_uri="https://mlflow.example.org",
    )
    with running_servers(settings) as running:
        assert running.started == ()
        assert running.urls == {
            "Prefect": "https://prefect.example.org",
            "MLflow": "https://mlflow.example.org",
        }


def test_sigterm_stops_what_was_started(tmp_path: Path) -> None:
    """The body of a `with running_servers` is left by SystemExit, so every `finally` runs."""
    code = textwrap.dedent(
        """
        import sys, time
        from flows.local.servers import running_servers
        from flows.settings import Settings
        home, address = sys.argv[1:]
        settings = Settings(home=home, prefect_api_url=address, mlflow_tracking_uri=address)
        try:
            with running_servers(settings):
                print("inside", flush=True)
                time.sleep(600)
        finally:
            print("cleaned up", flush=True)
        """
    )
    command = [sys.executable, "-c", code, str(tmp_path), "https://example.org"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        process.terminate()
        assert process.stdout.read() == "cleaned up\n"
    assert process.returncode == 128 + signal.SIGTERM
