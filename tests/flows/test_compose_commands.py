"""What infra/compose.yaml starts, started as processes with its logins on: one cycle, through an outage of MLflow.

PostgreSQL is real, moto stands in place of the object store, and the proxy is Debian's Caddy where it is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.settings import LOOPBACK
from tests.flows.composed import INFRA, SERVICES, Composed, composed, documented
from tests.postgresql import Postgresql, PostgresqlMissing, running_postgresql

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(sys.platform != "linux", reason="only there all of 127.0.0.0/8 is this machine"),
]

NAMES = {
    "MLFLOW_NAME": "mlflow.localhost",
    "PREFECT_NAME": "prefect.localhost",
    "LISTS_NAME": "lists.localhost",
}
SECRETS = {
    "POSTGRES_PASSWORD": "p%40ss%3Aw%2Frd",  # of tests/postgresql.py, as a URL writes it
    "OBJECTS_KEY": "key-of-objects", "OBJECTS_SECRET": "secret-of-objects",
    "MLFLOW_ADMIN_PASSWORD": "password-of-admin", "MLFLOW_FLASK_SERVER_SECRET_KEY": "what-signs-sessions",
    "MLFLOW_TRACKING_PASSWORD": "password-of-worker", "MLFLOW_SERVE_PASSWORD": "password-of-serve",
    "PREFECT_AUTH": "team:password-of-prefect", "RECLOOP_API_KEYS": "key-of-the-shop-window",
}  # fmt: skip
REGISTRY = "/api/2.0/mlflow/registered-models"
ENDED = {"Completed", "Failed", "Crashed", "Cancelled", "Skipped"}


@pytest.fixture(scope="module")
def database() -> Iterator[Postgresql]:
    """A server of its own, with the databases that compose's own file makes."""
    import psycopg

    try:
        with running_postgresql() as server:
            made = server.new("recloop")  # POSTGRES_DB
            with psycopg.connect(made, autocommit=True) as connection:
                for line in (INFRA / "postgres" / "databases.sql").read_text().splitlines():
                    connection.execute(line.encode())
            yield server
    except PostgresqlMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def stack(database: Postgresql, world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """Everything but the proxy, in the order of depends_on, with accounts, data and deployments as documented."""
    boto3 = pytest.importorskip("boto3", reason="make test LOCKS='runtime postgres s3 login dev' installs it")
    pytest.importorskip("flask_wtf", reason="make test LOCKS='runtime postgres s3 login dev' installs it")
    from moto.server import ThreadedMotoServer

    objects = ThreadedMotoServer(ip_address=LOOPBACK, port=0, verbose=False)
    objects.start()
    address = "http://{}:{}".format(*objects.get_host_and_port())
    named = (
        dict(_lines(INFRA / ".env.example"))
        | NAMES
        | SECRETS
        | {
            "MLFLOW_ADMIN": "the-admin",
            "ACME_EMAIL": "team@example.org",
        }
    )
    client = boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id=named["OBJECTS_KEY"],
        aws_secret_access_key=named["OBJECTS_SECRET"],
    )  # fmt: skip
    for folder in SERVICES["prepare"]["command"]:
        if folder.startswith("/objects/"):  # a bucket is a folder there
            client.create_bucket(Bucket=folder.removeprefix("/objects/"))
    folder = tmp_path_factory.mktemp("compose")
    network = "127.{}.{}".format(*(1 + byte % 250 for byte in os.urandom(2)))
    with composed(
        folder=folder, env=named, network=network, objects=address, postgres=f"{LOOPBACK}:{database.port}"
    ) as services:
        for together in (("mlflow", "prefect"), ("worker", "serve")):
            for service in together:
                services.start(service)
            for service in together:
                services.await_health(service)
        accounts = _filled(documented("docker compose -f infra/compose.yaml exec -T mlflow python -"), named)
        made = services.run("mlflow", "python", "-", given=services.here("mlflow", accounts))
        assert made.returncode == 0, made.stderr
        shutil.copytree(world, folder / "recloop" / "source")
        deployed = services.run("worker", "recloop", "deploy", RECLOOP_PRESET="quick")
        assert deployed.returncode == 0, f"{deployed.stdout}\n{deployed.stderr}"
        yield services
    objects.stop()


@pytest.fixture(scope="module")
def cycle(stack: Composed, database: Postgresql) -> list[FlowRun]:
    """The first retraining, started by name; MLflow is killed in its midst, and started again as compose would.

    A run that ended as failed is started a second time: both are in the result.
    """
    started = _start(stack)
    _until(lambda: _rows(database, "SELECT count(*) FROM stage_journal")[0][0] >= 5 or None)
    stack.kill("mlflow")
    time.sleep(3.0)
    stack.start("mlflow")
    runs = [_ended(stack, started)]
    stack.await_health("mlflow")
    if runs[0].state_name != "Completed":
        runs.append(_ended(stack, _start(stack)))
    return runs


def test_a_cycle_outlives_mlflow_killed_in_its_midst(
    stack: Composed, cycle: list[FlowRun], database: Postgresql
) -> None:
    """Whole, or with one clear message; then the next goes on from there, and no stage is worked on twice."""
    assert cycle[-1].state_name == "Completed", [
        (run.state_name, run.state and run.state.message) for run in cycle
    ]
    for failed in cycle[:-1]:
        assert failed.state is not None
        assert "MLflow does not answer" in str(failed.state.message)
    stages = _rows(database, "SELECT stage, count(*) FROM stage_journal GROUP BY stage")
    assert stages
    assert _rows(database, "SELECT action, version, actor FROM promotions") == [
        ("promote", "1", "retraining-cycle")
    ]
    found = _ask(stack, "mlflow", f"{REGISTRY}/get?name=recloop", **_of(stack, "MLFLOW_TRACKING"))[1]
    assert json.loads(found)["registered_model"]["aliases"] == [{"alias": "champion", "version": "1"}]


def test_serving_follows_the_champion_and_asks_for_a_key(
    stack: Composed, cycle: list[FlowRun], world: Path
) -> None:
    known = pd.read_parquet(world / "items.parquet")["item_id"].astype(str).tolist()
    asked = {"history": known[:2], "k": 3}
    key = {"X-API-Key": SECRETS["RECLOOP_API_KEYS"]}
    _until(lambda: _ask(stack, "serve", "/ready")[0] == 200 or None, seconds=60)
    status, told = _ask(stack, "serve", "/v1/recommendations", asked, **key)
    assert status == 200, told
    assert len(json.loads(told)["items"]) == 3
    assert _ask(stack, "serve", "/v1/recommendations", asked)[0] == 401
    assert _ask(stack, "serve", "/v1/recommendations", asked, **key, Host="elsewhere.example.org")[0] == 421


def test_the_account_of_serving_reads_and_moves_nothing(stack: Composed, cycle: list[FlowRun]) -> None:
    named = "name=recloop&alias=champion"
    status, told = _ask(stack, "mlflow", f"{REGISTRY}/alias?{named}", **_of(stack, "MLFLOW_SERVE"))
    assert (status, json.loads(told)["model_version"]["version"]) == (200, "1")
    moved = {"name": "recloop", "alias": "champion", "version": "1"}
    status, told = _ask(stack, "mlflow", f"{REGISTRY}/alias", moved, **_of(stack, "MLFLOW_SERVE"))
    assert (status, json.loads(told)["error_code"]) == (403, "PERMISSION_DENIED")
    assert "recloop-serve: the alias champion is moved by promoters" in told


def test_without_a_login_or_under_another_name_nobody_is_answered(stack: Composed) -> None:
    search = f"{REGISTRY}/search"
    login = _login(f"the-admin:{SECRETS['MLFLOW_ADMIN_PASSWORD']}")
    assert _ask(stack, "mlflow", search)[0] == 401
    assert _ask(stack, "mlflow", search, **login)[0] == 200
    assert _ask(stack, "mlflow", search, **login, Host=NAMES["MLFLOW_NAME"])[0] == 200
    assert _ask(stack, "mlflow", search, **login, Host="elsewhere.example.org")[0] == 403
    team = _login(SECRETS["PREFECT_AUTH"])
    assert _ask(stack, "prefect", "/api/admin/version")[0] == 401
    assert _ask(stack, "prefect", "/api/admin/version", **team)[0] == 200
    assert _ask(stack, "prefect", "/api/flows/count", {}, **team)[0] == 403  # no CSRF token


def test_runs_of_the_worker_find_what_the_command_line_sets(stack: Composed) -> None:
    """Else MLflow's client waits four minutes where a cycle should fail, and Great Expectations tells of every run."""
    found = psutil.Process(stack.started["worker"].pid).environ()
    told = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "GX_ANALYTICS_ENABLED": "false"}
    assert told.items() <= found.items()
    assert found["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"


@pytest.mark.skipif(shutil.which("caddy") is None, reason="no Caddy here: apt-get install caddy")
def test_the_proxy_answers_for_three_names_by_tls(stack: Composed, cycle: list[FlowRun]) -> None:
    """Certificates are of Caddy's own authority, as for every name under localhost; two ports are not privileged."""
    placed = stack.folder / "etc" / "caddy" / "Caddyfile"
    more = "skip_install_trust\n\thttp_port 8081\n\thttps_port 8443\n\tdefault_bind " + stack.address("proxy")
    placed.write_text(placed.read_text().replace("admin off", f"admin off\n\t{more}"))
    data = stack.folder / "proxy"
    stack.start(
        "proxy", ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"],
        HOME=str(data), XDG_DATA_HOME=str(data), XDG_CONFIG_HOME=str(data),
    )  # fmt: skip
    root = data / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    _until(lambda: root.exists() or None, seconds=60)
    pages = {"MLFLOW_NAME": "/health", "PREFECT_NAME": "/api/health", "LISTS_NAME": "/ready"}
    for name, path in pages.items():
        assert _until(lambda name=name, path=path: _by_tls(stack, NAMES[name], path, root), seconds=60) == 200
    assert _by_tls(stack, NAMES["MLFLOW_NAME"], f"{REGISTRY}/search", root) == 401


def test_the_command_line_works_on_it(stack: Composed, cycle: list[FlowRun]) -> None:
    """What a person asks of it in the worker's container."""
    told = stack.run("worker", "recloop", "status", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["champion"]["version"] == "1"
    replayed = stack.run("worker", "recloop", "replay", "--challenger", "1", "--champion", "1")
    assert "there is nothing to replace" in " ".join(replayed.stdout.split()), replayed.stderr
    back = stack.run("worker", "recloop", "rollback", "--reason", "tried")
    assert "no earlier champion" in back.stdout + back.stderr, back.stderr
    again = stack.run("worker", "recloop", "promote", "--version", "1", "--reason", "tried")
    assert again.returncode == 0, again.stderr
    assert "champion already" in again.stdout
    reconciled = stack.run("worker", "recloop", "reconcile")
    assert "agree" in reconciled.stdout, reconciled.stderr


def test_no_secret_stands_on_a_command_line_or_in_a_log(stack: Composed, cycle: list[FlowRun]) -> None:
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert any("--app-name=basic-auth" in line and stack.network in line for line in lines)
    logs = [path for path in stack.folder.rglob("*.log") if path.is_file()]
    assert {stack.log(service) for service in ("mlflow", "prefect", "worker", "serve")} <= set(logs)
    for name, secret in SECRETS.items():
        assert not [line for line in lines if secret in line], name
        assert not [log for log in logs if secret in log.read_text(errors="replace")], name


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name, value


def _filled(script: str, env: dict[str, str]) -> str:
    """As the shell fills a heredoc in, the longest name first."""
    for name in sorted(env, key=len, reverse=True):
        script = script.replace(f"${name}", env[name])
    return script


def _client(stack: Composed) -> SyncPrefectClient:
    with temporary_settings(
        {
            PREFECT_API_URL: f"http://{stack.address('prefect')}:4200/api",
            PREFECT_API_AUTH_STRING: SECRETS["PREFECT_AUTH"],
        }
    ):
        return get_client(sync_client=True)


def _start(stack: Composed) -> FlowRun:
    with _client(stack) as client:
        found = client.read_deployment_by_name("retrain/on-demand")
        assert found.parameters["request"]["source"] == f"{stack.folder}/recloop/source"
        return client.create_flow_run_from_deployment(found.id)


def _ended(stack: Composed, run: FlowRun) -> FlowRun:
    with _client(stack) as client:

        def ended() -> FlowRun | None:
            now = client.read_flow_run(run.id)
            return now if now.state_name in ENDED else None

        return _until(ended)


def _rows(database: Postgresql, query: str) -> list[tuple[Any, ...]]:
    import psycopg

    with psycopg.connect(database.url("recloop")) as connection:
        try:
            return connection.execute(query.encode()).fetchall()
        except psycopg.errors.UndefinedTable:
            return [(0,)]


def _login(login: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}


def _of(stack: Composed, account: str) -> dict[str, str]:
    """The login of an account of the env file, as a header."""
    return _login(f"{stack.env[f'{account}_USERNAME']}:{stack.env[f'{account}_PASSWORD']}")


def _ask(stack: Composed, service: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
    port = {"mlflow": 5000, "prefect": 4200, "serve": 8000}[service]
    request = urllib.request.Request(
        f"http://{stack.address(service)}:{port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"} | headers,
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def _by_tls(stack: Composed, name: str, path: str, root: Path) -> int | None:
    """The status that the proxy answers under this name; None while it does not."""
    trusted = ssl.create_default_context(cafile=str(root))
    try:
        plain = socket.create_connection((stack.address("proxy"), 8443), timeout=10)
        with trusted.wrap_socket(plain, server_hostname=name) as sealed:
            connection = HTTPConnection(name)
            connection.sock = sealed
            connection.request("GET", path, headers={"Host": name})
            return connection.getresponse().status
    except (OSError, ssl.SSLError):
        return None


def _until(found: Any, *, seconds: float = 400.0) -> Any:
    end = time.monotonic() + seconds
    while (now := found()) is None:
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.5)
    return now
