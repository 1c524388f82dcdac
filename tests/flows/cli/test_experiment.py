"""`recloop experiment` on what a real scoring server logged: a better challenger is found, equal ones are not."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from components.evaluation.counterfactual.logged import feedback_from_rows
from components.serving.config import Trial
from components.serving.exposures import read_exposures
from components.serving.live_test import live_tests, live_users
from flows.logged_source import read_log
from tests.serving.world import HOUR, NOW, World, ask, items_of, serving, until

ROOT = Path(__file__).resolve().parents[3]
NUM_USERS = 160
MINUTE = timedelta(minutes=1)
LATER = "2026-12-20T00:00Z"  # every user's week is over
RATES = {"champion": 0.1, "challenger": 0.8}


def live(world: World, challenger: str, salt: str, rates: dict[str, float]) -> None:
    """Half of the users get the challenger, one user a minute; an hour later each has the first item of their list,
    with their variant's rate.
    """
    config = world.config(
        exposures=world.home / "exposures", events_spool=world.home / "events",
        trial=Trial(challenger=challenger, share=0.5, salt=salt),
    )  # fmt: skip
    draws, clock = np.random.default_rng(5).random(NUM_USERS), [NOW]
    before = len(list(read_exposures(world.home / "exposures")))
    taken = []
    with serving(config, now=lambda: clock[0]) as client:
        until(lambda: bool(client.get("/ready").json()["challenger"]["serving"]))
        for number, draw in enumerate(draws):
            clock[0] = NOW + number * MINUTE
            answer = ask(client, user_id=(user := f"{salt}-{number}"), k=3)
            if draw < rates[answer["model"]["variant"]]:
                at = (clock[0] + HOUR).isoformat()
                taken.append({"user_id": user, "item_id": items_of(answer)[0], "timestamp": at})
        clock[0] += 2 * HOUR
        for event in taken:
            assert client.post("/v1/events", json=event).status_code == 200
        until(lambda: len(list(read_exposures(world.home / "exposures"))) == before + NUM_USERS)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two live tests in one log: of version 2, which users like better, and of 3, which ranks as the champion does."""
    home = tmp_path_factory.mktemp("experiment")
    uri = f"sqlite:///{home}/mlflow.db"
    MlflowClient(uri).create_experiment("recloop", artifact_location=str(home / "mlflow" / "artifacts"))
    world = World(home=home, tracking_uri=uri, model_name="recloop")
    world.register("old", champion=True)
    world.register("new", first=2)
    world.register("same")
    world.go_online(("u", "i00", NOW - HOUR), cut=NOW)
    live(world, "2", "spring", RATES)
    live(world, "3", "aa", {"champion": 0.4, "challenger": 0.4})
    return home


def recloop(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RECLOOP_")}
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", "--home", str(home), "experiment", *arguments], cwd=ROOT,
        env=plain | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def figures(told: str, variant: str) -> list[str]:
    """Version, users, settled, lists, outcome rate, lists with one."""
    (line,) = [line for line in told.splitlines() if line.split()[:1] == [variant]]
    return line.split()[1:]


def test_a_better_challenger_is_found(home: Path):
    done = recloop(home, "read", "--salt", "spring", "--as-of", LATER)
    assert done.returncode == 0, done.stderr
    (test,) = [test for test in live_tests(read_exposures(home / "exposures")) if test.salt == "spring"]
    for variant, version in (("champion", "1"), ("challenger", "2")):
        users = test.num_users[variant]
        told = figures(done.stdout, variant)
        assert told[:4] == [version, str(users), str(users), str(users)]
        assert float(told[4]) == pytest.approx(RATES[variant], abs=0.15)
    assert "\nPROMOTE\n· better: the challenger is better: +0." in done.stdout
    assert 'recloop promote --version 2 --reason "live test spring"' in done.stdout
    assert "of them not ingested yet" in done.stdout
    (page,) = (home / "reports").glob("live-*-promote.html")
    assert "Live test spring" in page.read_text()


def test_two_equal_versions_are_not_called(home: Path):
    done = recloop(home, "read", "--as-of", LATER)  # the latest test, without being named
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("live test aa: version 3 for 50% of the users, against version 1")
    assert "\nCONTINUE\n· undecided: no difference is shown yet" in done.stdout


def test_who_is_not_settled_waits(home: Path):
    early = recloop(home, "read", "--salt", "spring", "--as-of", "2026-12-06T11:59Z")
    assert figures(early.stdout, "champion")[2] == "0"
    assert "· too_few_users: 0 users are settled; looks begin at 100" in early.stdout
    shorter = recloop(home, "read", "--salt", "spring", "--as-of", LATER, "--within-days", "0.02")
    assert [figures(shorter.stdout, v)[4] for v in RATES] == ["0.0000", "0.0000"]  # they had it an hour later


def test_lists_that_are_lost_break_the_split(home: Path, tmp_path: Path):
    """Without the log of two thirds of the champion's users nothing is concluded, and no difference is told."""
    (tmp_path / "exposures").mkdir()
    (path,) = (home / "exposures").glob("*.jsonl")
    lines = [line for line in path.read_text().splitlines() if '"salt":"spring"' in line]
    kept = [line for at, line in enumerate(lines) if '"variant":"challenger"' in line or at % 3 == 0]
    (tmp_path / "exposures" / path.name).write_text("\n".join(kept) + "\n")
    done = recloop(tmp_path, "read", "--as-of", LATER)
    assert done.returncode == 0, done.stderr
    assert "\nINVALID\n· sample_ratio: " in done.stdout
    assert "difference " not in done.stdout


def test_every_test_is_listed_and_unknown_ones_are_refused(home: Path, tmp_path: Path):
    done = recloop(home, "list")
    rows = [line.split()[:4] for line in done.stdout.splitlines()[1:]]
    assert rows == [["spring", "2", "1", "0.5"], ["aa", "3", "1", "0.5"]]
    unknown = recloop(home, "read", "--salt", "autumn")
    assert unknown.returncode == 1
    assert "salt spring, version 2 against 1, share 0.5" in " ".join(unknown.stderr.replace("│", "").split())
    empty = recloop(tmp_path, "list")
    assert empty.returncode == 1
    assert "recloop serve --challenger challenger --share 0.1" in " ".join(
        empty.stderr.replace("│", "").split()
    )


def test_an_export_is_what_a_replay_of_logged_feedback_reads(home: Path, tmp_path: Path):
    """The challenger's value by weights is its rate of outcomes among those who were shown it."""
    refused = recloop(
        home, "export", "--to", str(tmp_path / "log.json"), "--salt", "spring", "--as-of", LATER
    )
    assert refused.returncode == 1
    for name in ("log.csv", "log.parquet"):
        done = recloop(home, "export", "--to", str(tmp_path / name), "--salt", "spring", "--as-of", LATER)
        assert done.returncode == 0, done.stderr
        assert f"{3 * NUM_USERS} rows of {NUM_USERS} lists" in done.stdout
    log = read_log(tmp_path / "log.csv", None)
    pd.testing.assert_frame_equal(log.rows, read_log(tmp_path / "log.parquet", None).rows)
    feedback = feedback_from_rows(log.rows)
    assert (len(feedback), feedback.num_clusters) == (3 * NUM_USERS, NUM_USERS)
    assert set(feedback.propensity) == {0.5}
    challenger = feedback.target == 1
    assert feedback.reward[challenger].mean() * 3 == pytest.approx(RATES["challenger"], abs=0.15)


def test_an_event_that_was_ingested_too_counts_once(home: Path, tmp_path: Path):
    """Posted events are read from the server's folder; the outcome of a user does not depend on how often."""
    (test,) = [test for test in live_tests(read_exposures(home / "exposures")) if test.salt == "spring"]
    (spool,) = (home / "events").glob("*/events.csv")
    with spool.open(newline="") as file:
        rows = list(csv.DictReader(file))
    events = pd.DataFrame(rows).assign(
        timestamp=lambda f: pd.to_datetime(f["timestamp"], utc=True, format="ISO8601")
    )
    once = live_users(test, events, within=timedelta(days=7), as_of=NOW)
    twice = live_users(test, pd.concat([events, events]), within=timedelta(days=7), as_of=NOW)
    assert once.outcome.tolist() == twice.outcome.tolist()
    assert not once.is_settled.any()
