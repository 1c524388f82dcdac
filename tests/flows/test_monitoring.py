"""`recloop monitor` on a home that ran: in order while nothing changed, drift where it was planted, and what follows.

The planted batch stands in a copy of the home. Its events are of the small hours and of another type, most of them on
45 new items that nearly say the same and have no picture: the frozen tokenizer has one place for them all.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import sync_playwright
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.artifact import verified
from components.evaluation.typed_json import from_json
from components.monitoring.result import MonitorResult
from components.report.text import number
from flows.cli.monitor import DRIFTS, _tell
from flows.drift_event import DRIFT_DETECTED
from flows.monitoring import Monitored
from flows.settings import Settings
from flows.telling import resource_of
from tests.browsing import CHROMIUM, FLAGS
from tests.flows.worlds import Home
from tests.report.test_browser import opened

pytestmark = pytest.mark.timeout(900)
NEW_ITEMS, USERS = 45, 250


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A copy of a finished home, and a source that tells what came after."""

    home: Home
    source: Path
    since: pd.Timestamp
    cut: pd.Timestamp  # half of what was planted lies before it


@dataclass(frozen=True, kw_only=True)
class Looked:
    home: Home
    done: subprocess.CompletedProcess[str]

    @property
    def figures(self) -> dict[str, Any]:
        return json.loads((self.home.settings.monitoring / "monitoring.json").read_text())

    def statuses(self) -> dict[str, str]:
        return {measure["name"]: measure["status"] for measure in self.figures["measures"]}


def copied(home: Home, folder: Path, model: str) -> Home:
    """The same state elsewhere, on the same servers."""
    of = home.settings
    if not folder.exists():
        shutil.copytree(of.home, folder)
    settings = Settings(
        home=folder, prefect_port=of.prefect_port, mlflow_port=of.mlflow_port, docs_port=of.docs_port,
        prefect_api_url=of.prefect_api_url, mlflow_tracking_uri=of.mlflow_tracking_uri, model_name=model,
    )  # fmt: skip
    return Home(data=home.data, settings=settings)


def plant(home: Home, folder: Path) -> Planted:
    """Twenty days after the end of the home's events, written as the same source at a later time."""
    source = Path(shutil.copytree(home.data, folder / "later" / home.data.name))
    events, items = (pd.read_parquet(source / f"{name}.parquet") for name in ("events", "items"))
    since = events["timestamp"].max().floor("h") + pd.Timedelta(hours=1)
    rng = np.random.default_rng(0)
    users = np.repeat(rng.choice(events["user_id"].unique(), USERS, replace=False), 10)
    new = [f"n{number:03d}" for number in range(NEW_ITEMS)]
    is_new = rng.random(len(users)) < 0.6
    day, hour = rng.integers(0, 20, len(users)), rng.integers(0, 3, len(users))
    minute = rng.permutation(len(users)) % 60
    planted = pd.DataFrame(
        {
            "user_id": users,
            "item_id": np.where(
                is_new, rng.choice(new, len(users)), rng.choice(items["item_id"], len(users))
            ),
            "event_type": "click",
            "timestamp": since.ceil("D") + pd.to_timedelta(day * 1440 + hour * 60 + minute, unit="m"),
        }
    ).drop_duplicates(["user_id", "item_id", "timestamp"])
    alike = pd.DataFrame(
        {
            "item_id": new,
            "title": [f"Untitled clip {number}" for number in range(NEW_ITEMS)],
            "description": "An untitled clip.",
            "categories": "clip",
            "attributes": None,
            "available_at": since,
        }
    )
    for name, table, more in (("events", events, planted), ("items", items, alike)):
        whole = pd.concat([table, more], ignore_index=True)
        whole["timestamp" if name == "events" else "available_at"] = pd.to_datetime(
            whole["timestamp" if name == "events" else "available_at"], utc=True
        ).dt.as_unit("us")
        whole.to_parquet(source / f"{name}.parquet", index=False)
    return Planted(
        home=copied(home, folder / "home", home.settings.model_name), source=source, since=since,
        cut=since.ceil("D") + pd.Timedelta(days=10),
    )  # fmt: skip


def look(home: Home, *arguments: str) -> Looked:
    return Looked(home=home, done=home.recloop("monitor", *arguments))


@pytest.fixture(scope="module")
def undisturbed(finished: Home, tmp_path_factory: pytest.TempPathFactory) -> Looked:
    folder = tmp_path_factory.mktemp("looked") / "home"
    return look(copied(finished, folder, finished.settings.model_name))


@pytest.fixture(scope="module")
def planted(finished: Home, tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """Landed, and not yet trained on."""
    world = plant(finished, tmp_path_factory.mktemp("drift"))
    landed = world.home.recloop("ingest", "--source", str(world.source), "--since", world.since.isoformat())
    assert landed.returncode == 0, landed.stdout + landed.stderr
    return world


@pytest.fixture(scope="module")
def drifted(planted: Planted) -> Looked:
    return look(planted.home, "--json")


def test_what_has_not_changed_is_in_order(undisturbed: Looked) -> None:
    assert undisturbed.done.returncode == 0, undisturbed.done.stdout + undisturbed.done.stderr
    statuses = undisturbed.statuses()
    assert "drift" not in statuses.values()
    assert {statuses[f"psi/{name}"] for name in ("event_hour", "event_type", "item_category")} == {"ok"}
    assert statuses["psi/event_value"] == "not evaluable"  # no event has one
    assert statuses["codes/error"] == "not evaluable"  # a handful of new items


def test_the_champion_is_held_against_its_own_training(undisturbed: Looked) -> None:
    home, figures = undisturbed.home, undisturbed.figures
    tags = home.version_tags()[str(home.champion())]
    assert figures["version"] == home.champion()
    assert figures["bundle"] == tags["recloop.bundle"]
    assert figures["snapshot"] == tags["recloop.snapshot"]
    cut = pd.Timestamp(tags["recloop.train_end"])
    assert pd.Timestamp(figures["train_end"]) == cut
    micros = int(cut.timestamp() * 1e6)
    assert figures["num_training_events"] == home.rows(
        f"SELECT count(*) FROM events WHERE occurred_at < {micros}"
    )[0][0]  # fmt: skip


def test_a_look_is_kept_once(undisturbed: Looked) -> None:
    kept = undisturbed.home.rows("SELECT status, result FROM monitor_runs")
    assert [(status, json.loads(result)) for status, result in kept] == [
        (undisturbed.figures["status"], undisturbed.figures)
    ]


def test_status_tells_the_last_look(drifted: Looked) -> None:
    told = drifted.home.recloop("status").stdout
    assert f"monitoring drift, version {drifted.home.champion()} on events until" in " ".join(told.split())


def test_planted_drift_is_found_by_every_measure_that_is_of_it(drifted: Looked) -> None:
    assert drifted.done.returncode == DRIFTS, drifted.done.stdout + drifted.done.stderr
    statuses = drifted.statuses()
    named = (
        "psi/event_hour", "psi/event_type", "new_items/events", "new_items/catalogue", "missing/image",
        "codes/collisions",
    )  # fmt: skip
    assert {name: statuses[name] for name in named} == dict.fromkeys(named, "drift")


def test_a_script_and_a_person_are_told_the_same(drifted: Looked, capsys: pytest.CaptureFixture[str]) -> None:
    """The script by the command itself, one object and nothing beside it, the exit code as ever."""
    told, page = json.loads(drifted.done.stdout), drifted.home.settings.monitoring / "index.html"
    assert told.pop("event")
    assert told.pop("page") == str(page)
    assert told == drifted.figures
    result = from_json(MonitorResult, {name: told[name] for name in told if name != "status"})
    _tell(Monitored(result=result, page=page, event=None))
    last = " ".join(capsys.readouterr().out.split()).rpartition("drift: ")[2]
    listed, _, following = last.partition(". Next: ")
    assert set(listed.split(", ")) == {
        measure["name"] for measure in told["measures"] if measure["status"] == "drift"
    }
    assert following.startswith("`recloop retrain")


def test_new_items_are_counted_one_by_one(drifted: Looked, planted: Planted) -> None:
    measures = {m["name"]: m for m in drifted.figures["measures"]}
    champion_cut = int(pd.Timestamp(drifted.figures["train_end"]).timestamp() * 1e6)
    since = int(pd.Timestamp(drifted.figures["since"]).timestamp() * 1e6)
    known = (
        f"SELECT item_id FROM events WHERE occurred_at < {champion_cut} UNION "
        f"SELECT item_id FROM items WHERE available_at < {champion_cut}"
    )
    [(events, on_new)] = planted.home.rows(
        f"SELECT count(*), sum(item_id NOT IN ({known})) FROM events WHERE occurred_at >= {since}"
    )
    assert measures["new_items/events"]["num_current"] == events
    assert measures["new_items/events"]["value"] == pytest.approx(on_new / events)


def test_the_metric_is_asked_of_events_after_its_own_window(drifted: Looked) -> None:
    """Six of ten of them are on items that the champion cannot list."""
    measure = next(m for m in drifted.figures["measures"] if m["name"] == "metric/ndcg@10")
    assert measure["status"] == "drift"
    assert measure["current"] < measure["reference"]
    evidence = json.loads(
        Path(drifted.home.outputs(int(str(drifted.home.champion())) - 1)["judge"]["replay"]["path"], "evidence.json")
        .read_text()
    )  # fmt: skip
    own = next(
        arm for arm in evidence["arms"] if (arm["arm"], arm["metric"]) == (evidence["challenger"], "ndcg@10")
    )
    assert measure["reference"] == pytest.approx(own["mean"])
    assert measure["num_reference"] == own["n"]
    assert drifted.figures["decay"]["upper"] < 0


def test_prefect_has_the_event_with_what_drifts(drifted: Looked) -> None:
    """Events reach the server behind the run, so it is asked until they are there."""
    settings, model = drifted.home.settings, drifted.home.settings.model_name
    asked = {"filter": {"event": {"name": [DRIFT_DETECTED]}, "resource": {"id": [resource_of(model)]}}}
    with (
        temporary_settings({PREFECT_API_URL: settings.prefect_api_url}),
        get_client(sync_client=True) as client,
    ):
        for _ in range(100):
            found = client._client.post("/events/filter", json=asked).json()["events"]
            if found:
                break
            time.sleep(0.2)
    (event,) = found
    assert event["resource"]["recloop.version"] == drifted.home.champion()
    payload = event["payload"]
    assert {m["name"] for m in payload["measures"]} == {
        name for name, status in drifted.statuses().items() if status == "drift"
    }
    assert payload["refits_tokenizer"] is True
    assert payload["next"] == "recloop retrain"


def test_prefect_shows_the_table_and_the_way_to_the_page(drifted: Looked, undisturbed: Looked) -> None:
    shown = [
        {row["name"]: row["status"] for row in json.loads(str(artifact.data))}
        for artifact in drifted.home.artifacts()
        if artifact.key == "drift"
    ]
    assert drifted.statuses() in shown
    assert undisturbed.statuses() in shown
    assert any(a.key == "monitoring" for a in drifted.home.artifacts())


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)")
def test_the_page_says_what_was_measured(drifted: Looked) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        found = opened(browser, drifted.home.settings.monitoring / "index.html")
        rows = {
            row.locator("th").first.inner_text().splitlines()[0]: row.locator("td").all_inner_texts()[:2]
            for row in found.page.locator("tbody tr").all()
        }
        assert found.page.locator("#verdict .outcome").inner_text().startswith("DRIFT")
        assert found.told == found.asked == []
        browser.close()
    assert rows == {m["title"]: [m["status"], number(m["value"], ".3g")] for m in drifted.figures["measures"]}


def test_the_next_retraining_refits_the_tokenizer_and_says_why(drifted: Looked, planted: Planted) -> None:
    """Under a model name of its own, so that nobody's champion moves."""
    home = copied(planted.home, planted.home.settings.home, "refitted")
    end = planted.cut + timedelta(days=12)
    done = home.recloop(
        "retrain", "--source", str(planted.source), "--since", planted.since.isoformat(), "--preset", "quick",
        "--train-cutoff", planted.cut.isoformat(), "--as-of", end.isoformat(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = home.outputs(2)
    assert "extend ids" not in outputs
    old = home.outputs(0)["fit tokenizer"]["tokenizer"]["digest"]
    assert outputs["fit tokenizer"]["tokenizer"]["digest"] != old
    health = outputs["check tokenizer"]
    assert health["num_new"] >= NEW_ITEMS
    assert {m["status"] for m in health["measures"] if m["name"] == "codes/collisions"} == {"drift"}
    box = " ".join(done.stdout.replace("│", " ").split())
    assert "tokenizer refitted, since on" in box
    assert "collisions of new items" in box
    report = Path(outputs["draw report"]["report"]["path"], "report.html").read_text(encoding="utf-8")
    assert "refitted, since on" in report
    assert verified(outputs["fit tokenizer"]["tokenizer"]["path"])["parents"]["previous_ids"]


def test_without_a_champion_there_is_nothing_to_watch(finished: Home) -> None:
    home = copied(finished, finished.settings.home, "nobody")
    done = look(home).done
    assert done.returncode == 1
    assert "no champion yet" in done.stderr
