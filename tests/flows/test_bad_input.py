"""Bad input as a user meets it: one message that names the thing and the mend, and nothing lost or half-done.

A command that fails exits with 1 (2 where the command itself was misspelt), rows that are quarantined do not
fail it. Left to the tests of the components, since no command reaches them without a whole cycle: a
non-finite vector (tests/data/test_contracts_vectors.py) and an unreadable image
(tests/features/test_encoding.py). Ports that the servers find taken are in test_servers.py too.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.data.warehouse import open_warehouse
from components.features.sequences import user_sequences
from components.features.store.offline import write_user_sequences
from components.features.store.online import materialize
from components.features.store.opening import apply_definitions, open_store
from components.recommender.baselines.popularity import fit_popularity
from components.registry import promotion, tracking
from components.registry.bundle import BundleFacts, build_bundle, open_bundle
from components.registry.registration import register_bundle
from flows.cli.app import main
from flows.settings import LOOPBACK
from tests.flows.conftest import Estate

ROOT = Path(__file__).resolve().parents[2]
USERS, ITEMS = [f"u{n}" for n in range(8)], [f"i{n}" for n in range(5)]
_OURS = ("RECLOOP_", "PREFECT_", "MLFLOW_")


@dataclass(frozen=True, kw_only=True)
class Ended:
    code: int
    out: str  # words, one space between two
    err: str


@dataclass(frozen=True, kw_only=True)
class Home:
    """State under one folder, reached by the command line in this process or in one of its own."""

    path: Path
    capsys: pytest.CaptureFixture[str]

    def recloop(self, *arguments: str | Path) -> Ended:
        """Run as the console script does. What a command sets in the environment is undone by `home`."""
        os.environ["RECLOOP_HOME"] = str(self.path)
        before = sys.argv
        sys.argv = ["recloop", *map(str, arguments)]
        self.capsys.readouterr()
        try:
            with temporary_settings({PREFECT_API_URL: os.environ.get("PREFECT_API_URL")}):
                main()
            code: Any = 0
        except SystemExit as end:
            code = end.code
        finally:
            sys.argv = before
        said = self.capsys.readouterr()
        return Ended(code=code or 0, out=_words(said.out), err=_words(_message(said.err)))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(f"file:{self.path / 'warehouse.db'}?mode=ro", uri=True) as database:
            return database.execute(query).fetchall()

    def held(self) -> dict[str, int]:
        """Rows of each table; none where no warehouse was made."""
        if not (self.path / "warehouse.db").exists():
            return {}
        tables = ("events", "items", "quarantine", "batches", "promotions", "recommendations")
        return {table: self.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables}


def _words(text: str) -> str:
    return " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str], estate: Estate) -> Iterator[Home]:
    """An empty home on a Prefect server that runs already. No message is broken by the width of a terminal."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(_OURS)]:
        del os.environ[name]
    os.environ["COLUMNS"] = "1000"
    prefect, mlflow = free_ports(2)
    os.environ |= {"RECLOOP_PREFECT_PORT": str(prefect), "RECLOOP_MLFLOW_PORT": str(mlflow)}
    os.environ["PREFECT_API_URL"] = estate.prefect_api_url
    yield Home(path=tmp_path / "home", capsys=capsys)
    os.environ.clear()
    os.environ |= before


def free_ports(num: int) -> list[int]:
    probes = [socket.create_server((LOOPBACK, 0)) for _ in range(num)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def events() -> pd.DataFrame:
    """Everybody takes everything once, an hour apart: 40 events, so that one is 2.5 % of them."""
    times = pd.date_range("2024-03-01T00:00:00Z", periods=40, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    return pd.DataFrame(
        {
            "event_id": [f"e{n:02d}" for n in range(40)],
            "user_id": np.repeat(USERS, 5),
            "item_id": np.tile(ITEMS, 8),
            "timestamp": times,
            "rating": 4,
        }
    )


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A sound folder source."""
    return write_source(tmp_path / "shop", events())


def write_source(folder: Path, table: pd.DataFrame) -> Path:
    folder.mkdir()
    table.to_csv(folder / "events.csv", index=False)
    titles = pd.DataFrame({"item_id": ITEMS, "title": [f"Film {item}" for item in ITEMS]})
    titles.to_csv(folder / "items.csv", index=False)
    return folder


def rewrite(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(events()).to_csv(folder / "events.csv", index=False)


def with_time(moment: str, *rows: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[list(rows), "timestamp"] = moment
        return table

    return change


def _message(told: str) -> str:
    """Without the line that says on a busy machine that the command works."""
    return re.sub(r"^(recloop|python -m flows\.cli) [a-z ]+: working\n", "", told)


def refused(ended: Ended, kind: str, *names: str) -> None:
    """One message of this kind on stderr, with all these words in it, and no traceback."""
    assert ended.code == 1, (ended.out, ended.err)
    assert ended.err.startswith(kind), ended.err
    assert "Traceback" not in ended.err + ended.out
    for name in names:
        assert name in ended.err, (name, ended.err)


# --- files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["ingest", "validate"])
@pytest.mark.parametrize(
    ("damage", "kind", "names"),
    [
        (lambda folder: shutil.rmtree(folder), "SourceUnavailable", ("shop", "no file of events", "Check the path")),
        (
            lambda folder: (folder / "items.csv").unlink(),
            "SourceUnavailable",
            ("shop", "no file of items", "items.parquet", "export your data"),
        ),
        (
            lambda folder: rewrite(folder, lambda table: table.rename(columns={"timestamp": "when"})),
            "DataContractError",
            ("events.csv", "no column 'timestamp'", "'when'", "Name it 'timestamp' or 'time' or 'ts'"),
        ),
        (
            lambda folder: rewrite(folder, lambda table: table.head(0)),
            "DataContractError",
            ("events.csv", "has no rows", "Export the events again"),
        ),
        (
            lambda folder: (folder / "events.csv").write_bytes(b""),
            "DataContractError",
            ("events.csv", "cannot be read as csv", "Export it again"),
        ),
    ],
    ids=["no folder", "no items", "wrong column", "empty batch", "empty file"],
)  # fmt: skip
def test_a_source_that_cannot_be_read(home: Home, shop: Path, command: str, damage, kind: str, names) -> None:
    damage(shop)
    refused(home.recloop(command, "--source", shop), kind, *names)
    assert not any(home.held().values())


def test_an_empty_slice_of_time(home: Home, shop: Path) -> None:
    ended = home.recloop("ingest", "--source", shop, "--since", "2025-01-01T00:00Z")
    refused(ended, "DataContractError", "shop", "0 events", "Check the path and the time span asked for")
    assert not any(home.held().values())


def test_data_that_does_not_exist(home: Home, tmp_path: Path) -> None:
    refused(
        home.recloop("demo", "--data", tmp_path / "nowhere"), "SourceUnavailable", "nowhere", "Check the path"
    )
    assert not list(tmp_path.rglob("*.db"))


# --- rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_time("2024-03-01T05:00:00", 7), "naive"),
        (with_time("2099-01-01T00:00:00Z", 7), "future"),
    ],
    ids=["naive", "after the clock"],
)
def test_a_bad_time_is_quarantined_and_the_rest_lands(home: Home, shop: Path, change, reason: str) -> None:
    rewrite(shop, change)
    told = home.recloop("validate", "--source", shop)
    assert (told.code, home.held()["batches"]) == (0, 0)
    assert "1 would be quarantined" in told.out
    ended = home.recloop("ingest", "--source", shop)
    assert ended.code == 0, ended.err
    assert "40 events = 39 accepted + 1 quarantined + 0 duplicates" in ended.out
    assert home.rows("SELECT count(*) FROM events") == [(39,)]
    ((row, reasons, payload),) = home.rows("SELECT source_row, reasons, payload FROM quarantine")
    assert (row, reason in reasons, '"e07"' in payload) == (7, True, True)
    assert reasons in ended.out
    assert "1 rows in quarantine" in home.recloop("status").out


def test_events_after_as_of_wait_for_a_later_batch(home: Home, shop: Path) -> None:
    """The first 30 hours have passed; the other ten events are neither lost nor taken twice."""
    ended = home.recloop("ingest", "--source", shop, "--as-of", "2024-03-02T06:00Z")
    assert ended.code == 0, ended.err
    assert "10 events are not earlier than --as-of 2024-03-02T06:00:00+0000" in ended.out
    assert "Pass a later --as-of" in ended.out
    assert "30 events = 30 accepted" in ended.out
    ended = home.recloop("ingest", "--source", shop)
    assert "40 events = 10 accepted + 0 quarantined + 30 duplicates" in ended.out


def test_a_batch_that_is_bad_beyond_the_limit_stops(home: Home, shop: Path) -> None:
    rewrite(shop, with_time("2024-03-01T05:00:00", *range(40)))
    ended = home.recloop("ingest", "--source", shop)
    refused(
        ended, "TooMuchBad", "shop", "40 of 40 events are bad", "naive", "first is row 0", "--max-bad-share"
    )
    assert home.rows("SELECT state, received, accepted FROM batches") == [("stopped", 40, 0)]
    assert (home.held()["events"], home.held()["items"]) == (0, 0)
    rewrite(shop, lambda table: table)
    assert "40 accepted" in home.recloop("ingest", "--source", shop).out


def test_a_corrected_event_is_quarantined_and_the_first_stands(home: Home, shop: Path) -> None:
    def corrected(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[3, "rating"] = 1
        return table

    assert home.recloop("ingest", "--source", shop).code == 0
    assert "had landed before, nothing changed" in home.recloop("ingest", "--source", shop).out
    rewrite(shop, corrected)
    ended = home.recloop("ingest", "--source", shop)
    assert ended.code == 0, ended.err
    assert "40 events = 0 accepted + 1 quarantined + 39 duplicates" in ended.out
    assert "1 conflicting_payload" in ended.out
    assert home.rows("SELECT value FROM events WHERE event_id = 'e03'") == [(4.0,)]
    ((row, payload),) = home.rows("SELECT source_row, payload FROM quarantine")
    assert (row, '"e03"' in payload, "1.0" in payload) == (3, True, True)


def test_a_warehouse_that_holds_another_dataset(home: Home, shop: Path, tmp_path: Path) -> None:
    assert home.recloop("ingest", "--source", shop).code == 0
    before = home.held()
    ended = home.recloop("ingest", "--source", write_source(tmp_path / "library", events()))
    refused(ended, "DatasetMismatch", "'shop'", "'library'", "choose another RECLOOP_HOME")
    assert home.held() == before


# --- what was asked for ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("ingest", "--as-of", "2024-03-02T00:00"), ("2024-03-02T00:00", "no time zone", "write 2024-03-02T00:00Z")),
        (("ingest", "--as-of", "tomorrow"), ("'tomorrow'", "such as 1998-04-01T00:00Z")),
        (("ingest", "--until", "now"), ("No such option: --until", "--help")),
        (("recommend", "--user", "u1", "-k", "0"), ("-k", "greater than or equal to 1",)),
        (("recommend",), ("Missing option '--user'", "--help")),
        (("evaluate",), ("No such command 'evaluate'", "--help")),
        (("retrain", "--challenger", "bert"), ("'--challenger'", "'bert' is not one of 'mmgrec', 'mmgrec_paper'")),
        (
            ("retrain", "--preset", "defualt"),
            ("'--preset'", "'defualt' is none of default, accurate, quick", "no file of that"),
        ),
        (
            ("retrain", "--profile", "lax"),
            ("'--profile'", "'lax' is none of small, production, sequential", "no file of that name"),
        ),
        (("ingest", "--max-bad-share", "2"), ("'--max-bad-share'", "less than or equal to 1")),
    ],
)  # fmt: skip
def test_a_misspelt_command(home: Home, arguments: tuple[str, ...], names: tuple[str, ...]) -> None:
    ended = home.recloop(*arguments)
    assert ended.code == 2
    assert "Traceback" not in ended.err
    for name in names:
        assert name in ended.err, ended.err
    assert not home.path.exists()


def test_a_study_of_nothing(home: Home, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    refused(home.recloop("tune", "--source", nowhere), "SourceUnavailable", str(nowhere), "not there at all")
    assert not (home.path / "run").exists()  # no server was started for it


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (
            ("--as-of", "2024-03-02T00:00Z", "--train-cutoff", "2024-03-03T00:00Z"),
            ("train_cutoff 2024-03-03T00:00Z", "as_of 2024-03-02T00:00Z", "Pass an earlier --train-cutoff"),
        ),
    ],
    ids=["cutoff after as-of"],
)  # fmt: skip
def test_a_cycle_that_contradicts_itself(home: Home, shop: Path, options, names) -> None:
    refused(home.recloop("retrain", "--source", shop, *options), "BadRequest", *names)
    assert not any(home.held().values())
    assert not (home.path / "run").exists()  # no server was started for it


@pytest.mark.parametrize(
    ("variable", "value", "kind", "names"),
    [
        ("RECLOOP_MLFLOW_PORT", "many", "SettingsError", ("RECLOOP_MLFLOW_PORT", ".env.example")),
        (
            "RECLOOP_WAREHOUSE_URL",
            "sqlite:////dev/null/warehouse.db",
            "WarehouseUnreachable",
            ("/dev/null/warehouse.db", "Check that the address is right"),
        ),
        ("RECLOOP_WAREHOUSE_URL", "warehouse", "WarehouseUnreachable", ("RECLOOP_WAREHOUSE_URL", "sqlite:///")),
    ],
)  # fmt: skip
def test_a_setting_that_leads_nowhere(home: Home, variable: str, value: str, kind: str, names) -> None:
    os.environ[variable] = value
    refused(home.recloop("status"), kind, *names)


# --- processes of their own ------------------------------------------------------------------------------


def run_alone(home: Home, *arguments: str | Path) -> Ended:
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"RECLOOP_HOME": str(home.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ended(code=done.returncode, out=_words(done.stdout), err=_words(_message(done.stderr)))


def test_a_port_in_use(home: Home, shop: Path) -> None:
    """Told before any server is started, and before anything lands."""
    with socket.create_server((LOOPBACK, 0)) as stranger:
        port = stranger.getsockname()[1]
        os.environ["RECLOOP_MLFLOW_PORT"] = str(port)
        ended = run_alone(home, "retrain", "--source", shop, "--train-cutoff", "2024-03-02T00:00Z")
    names = (f"port {port}, meant for MLflow", f"process {os.getpid()}", f"RECLOOP_MLFLOW_PORT={port + 1}")
    refused(ended, "PortInUse", *names)
    assert not any(home.held().values())
    assert not list((home.path / "run").glob("*.json"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("recommend", "--user", "u1"),
        ("serve",),
        ("promote", "--version", "1", "--reason", "x"),
        ("rollback", "--reason", "x"),
        ("replay", "--challenger", "1"),
    ],
)  # fmt: skip
def test_a_home_without_a_champion(home: Home, arguments: tuple[str, ...]) -> None:
    ended = run_alone(home, *arguments)
    refused(ended, "NothingRegistered", "there is no champion", str(home.path), "`recloop retrain`")
    assert not any(home.held().values())


def test_a_missing_folder_in_a_process_of_its_own(home: Home, tmp_path: Path) -> None:
    refused(run_alone(home, "ingest", "--source", tmp_path / "nowhere"), "SourceUnavailable", "nowhere")


# --- a registry with one champion ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a champion, popularity, and everybody's features online; its servers are down."""
    folder = tmp_path_factory.mktemp("served")
    path = folder / "home"
    typed = events().assign(timestamp=lambda t: pd.to_datetime(t["timestamp"]), event_type="rating")
    address = f"sqlite:///{path}/mlflow.db"
    path.mkdir()
    MlflowClient(address).create_experiment("recloop", artifact_location=str(path / "mlartifacts"))
    tracking.configure(address)
    ref = build_bundle(
        path / "artifacts",
        write_arm=fit_popularity(typed["item_id"].to_numpy(dtype=object)).save,
        write_tokenizer=None,
        items=pd.DataFrame({"item_id": ITEMS, "title": [f"Film {item}" for item in ITEMS], "categories": None}),
        facts=BundleFacts(
            arm="popularity", train_end="2024-03-02T16:00:00+00:00", snapshot="5" * 64, feature_set="f" * 64,
            tokenizer=None, id_table=None, seed=7, code="c" * 64,
        ),
    )  # fmt: skip
    registered = register_bundle(
        open_bundle(ref.path),
        run=tracking.open_run(experiment="recloop", cycle="1", name="cycle", tags={}),
        model_name="recloop",
        verdict="PROMOTE",
        metrics={},
        tags={},
        reports=[],
    )
    moved = promotion.promote(
        open_warehouse(f"sqlite:///{path}/warehouse.db"), model_name="recloop", version=registered.version,
        expected_champion=None, verdict="PROMOTE", actor="test", reason="first", evidence={},
    )  # fmt: skip
    assert moved.moved
    store = open_store(path / "feast")
    apply_definitions(store, feature_set="f" * 12)
    end = datetime(2024, 3, 4, tzinfo=UTC)
    write_user_sequences(store.home, user_sequences(typed[typed["item_id"] != "i4"], cutoff=end))
    materialize(store, end=end)
    return path


@pytest.fixture
def served(made: Path, home: Home, shop: Path) -> Home:
    """The shop's events are in its warehouse."""
    there = Home(path=made, capsys=home.capsys)
    if not there.held()["events"]:
        assert there.recloop("ingest", "--source", shop).code == 0
    return there


def test_a_known_user_gets_titles_and_an_unknown_one_the_nearest_ids(served: Home) -> None:
    """The control: the same command works. u1 has seen all but i4."""
    ended = served.recloop("recommend", "--user", "u1")
    assert ended.code == 0, ended.err
    assert "1 Film i4" in ended.out
    before = served.held()
    ended = served.recloop("recommend", "--user", "u11")
    refused(ended, "UnknownUser", "no user 'u11' is known", "Nearest known ids: u1", "`recloop ingest`")
    assert served.held() == before


def test_somebody_without_events_is_answered_by_a_history(served: Home) -> None:
    """Whoever had all but i4 and i3 is left these two; nothing of it is noted."""
    before = served.held()
    ended = served.recloop("recommend", "--history", "i0, i1,i2,no-such")
    assert ended.code == 0, ended.err
    assert "Film i3" in ended.out
    assert "Film i4" in ended.out
    assert "Film i1" not in ended.out
    assert "left out, since the champion does not know them: 'no-such'" in ended.out
    refused(served.recloop("recommend", "--history", "I4"), "UnknownItems", "'I4' (nearest is 'i4')")
    assert served.recloop("recommend", "--history", "i1", "--user", "u1").code == 2
    assert served.held() == before


class _Healthy(BaseHTTPRequestHandler):
    """What the MLflow server of another home looks like from here."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_the_server_of_another_home_is_not_asked(served: Home) -> None:
    with ThreadingHTTPServer((LOOPBACK, 0), _Healthy) as stranger:
        Thread(target=stranger.serve_forever, daemon=True).start()
        os.environ["RECLOOP_MLFLOW_PORT"] = str(stranger.server_port)
        ended = served.recloop("recommend", "--user", "u1")
        stranger.shutdown()
    assert ended.code == 0, ended.err
    assert "by version 1 of recloop" in ended.out


def test_a_registry_without_a_champion(served: Home) -> None:
    os.environ["RECLOOP_MODEL_NAME"] = "other"
    refused(
        served.recloop("recommend", "--user", "u1"), "NoSuchVersion", "other has no champion yet", "`recloop"
    )


@pytest.mark.parametrize(
    ("arguments", "kind", "names"),
    [
        (("promote", "--version", "9", "--reason", "x"), "NoSuchVersion", ("no version '9'", "there are 1")),
        (("replay", "--challenger", "9"), "NoSuchVersion", ("no version '9'", "there are 1")),
        (("rollback", "--reason", "x"), "NotMoved", ("no earlier champion to go back to", "version 1 stays")),
    ],
    ids=["promote", "replay", "rollback"],
)
def test_a_move_that_cannot_be_made(served: Home, arguments, kind: str, names) -> None:
    before = served.held()
    refused(served.recloop(*arguments), kind, *names)
    assert served.held() == before
    assert "champion version 1" in served.recloop("status").out


def test_a_bundle_with_one_flipped_byte(served: Home) -> None:
    """Refused by name, and nothing is recommended; the mend it names works."""
    (bundle,) = (served.path / "artifacts" / "bundle").iterdir()
    damaged = bundle / "arm" / "item_ids.parquet"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    before = served.held()
    ended = served.recloop("recommend", "--user", "u1")
    refused(
        ended, "ArtifactDamaged", str(damaged), "SHA-256 is", "Remove the folder", "fetch the artifact anew"
    )
    assert served.held() == before
    shutil.rmtree(bundle)
    ended = served.recloop("recommend", "--user", "u1")
    assert ended.code == 0, ended.err
    assert "1 Film i4" in ended.out
    assert bundle.is_dir()
