"""The loop over past windows: killed and taken up again, told again, and nothing of it reaches production."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from components.artifact import ArtifactRef
from components.evaluation.backtest import PairedWindow, pool
from components.features.store.addresses import names_services
from flows.backfill import BackfillRequest, backfill_request
from flows.backtest_home import inside_backtest
from flows.request import BadRequest, CycleRequest
from flows.settings import Settings, load_settings
from tests.flows.worlds import Home

START, STEP, END = datetime(2024, 2, 4, tzinfo=UTC), timedelta(days=8), datetime(2024, 2, 22, tzinfo=UTC)
QUICK = CycleRequest(preset="quick")
pytestmark = pytest.mark.timeout(1200)


def command(home: Home) -> list[str]:
    """Two windows; the second alone comes by the check of the tokenizer."""
    return [
        "backfill", "--source", str(home.data), "--preset", "quick", "--challenger", "ease",
        "--from", START.isoformat(), "--to", END.isoformat(), "--step", "8d",
    ]  # fmt: skip


def production(home: Home) -> dict[str, Any]:
    """What a back-test must leave as it is."""
    tables = ("alpha_ledger", "cycles", "promotions", "stage_journal", "events", "batches")
    online = sorted(path for path in home.settings.feast_home.rglob("*") if path.is_file())
    return {
        **{table: home.rows(f"SELECT * FROM {table}") for table in tables},
        "versions": home.version_tags(),
        "champion": home.champion(),
        "features": {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in online},
        "artifacts": sorted(str(path) for path in home.settings.artifacts.glob("*/*")),
    }


def apart(home: Home) -> Home:
    """The back-test's own home."""
    (folder,) = (home.settings.home / "backtests").iterdir()
    settings = Settings(
        home=folder, model_name=f"{home.settings.model_name}-backtest-{folder.name}",
        prefect_api_url=home.settings.prefect_api_url, mlflow_tracking_uri=home.settings.mlflow_tracking_uri,
    )  # fmt: skip
    return Home(data=home.data, settings=settings)


@pytest.fixture(scope="module")
def walked(finished: Home) -> tuple[Home, dict[str, Any], list[subprocess.CompletedProcess[str]]]:
    """A finished home, what it was, and three goes at one back-test: killed in its second window, to the end, again."""
    before = production(finished)
    killed = finished.recloop(*command(finished), CRASH_AT="check tokenizer:start")
    assert killed.returncode == -signal.SIGKILL, f"{killed.stdout}\n{killed.stderr}"
    rest = [finished.recloop(*command(finished), COLUMNS="160") for _ in range(2)]
    for done in rest:
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return finished, before, [killed, *rest]


Walked = tuple[Home, dict[str, Any], list[subprocess.CompletedProcess[str]]]


def test_production_is_as_it_was(walked: Walked) -> None:
    home, before, _ = walked
    assert production(home) == before
    inside = apart(home)
    assert len(inside.rows("SELECT * FROM alpha_ledger WHERE entry = 'spent'")) == 2
    assert [attempt for (attempt,) in inside.rows("SELECT attempt FROM alpha_ledger")] == [1, 1, 1, 1]


def test_what_is_finished_is_not_done_again(walked: Walked) -> None:
    home, _, (killed, resumed, again) = walked
    assert "window 1 of 2" in killed.stdout
    assert "window 1 of 2, 2024-02-04 to 2024-02-12: PROMOTE, finished before" in resumed.stdout
    assert "window 2 of 2, 2024-02-12 to 2024-02-20: HOLD, finished before" in again.stdout
    inside = apart(home)
    assert len(inside.rows("SELECT * FROM cycles")) == 2
    cycles = [run for flow, run in inside.flow_runs() if flow == "retraining-cycle"]
    assert [run.state_name for run in cycles] == ["Completed", "Crashed", "Completed"]


def test_each_window_faces_who_would_have_been_champion(walked: Walked) -> None:
    home, _, _ = walked
    (arm,) = evidence(home)["arms"]
    first, second = arm["windows"]
    assert (first["verdict"], first["champion"], second["champion"]) == ("PROMOTE", None, "version 1")
    assert apart(home).ledger() == [("promote", "1", None)]


def test_the_summary_is_what_the_windows_lists_say(walked: Walked) -> None:
    """Pooled once more from the users of both replays, which no report holds."""
    home, _, (_, _, again) = walked
    inside, told = apart(home), evidence(home)
    windows = []
    for cycle in (0, 1):
        replay = ArtifactRef(**inside.outputs(cycle)["judge"]["replay"])
        table = pd.read_parquet(Path(replay.path) / "users.parquet").pivot(
            index="user", columns="arm", values="ndcg@10"
        )
        pair = table["ease"] - table["popularity"]
        windows.append(PairedWindow(users=pair.index.to_numpy(), differences=pair.to_numpy()))
    found = pool("popularity", windows)
    (arm,) = told["arms"]
    pooled = {one["rival"]: one for one in arm["pooled"]}
    assert pooled["popularity"]["mean"] == pytest.approx(found.mean)
    assert pooled["popularity"]["lower"] == pytest.approx(found.lower)
    assert pooled["champion"]["windows"] == 1
    assert pooled["champion"]["lower"] is None
    assert f"{found.mean:+.4f}" in again.stdout
    assert "ease: promoted in 1 of 2 windows" in again.stdout
    assert "The last 2 days before the end do not fill a window" in again.stdout
    users = {user for window in windows for user in window.users}
    assert not any(f'"{user}"' in json.dumps(told) for user in users)


def test_a_user_is_erased_from_it_too(walked: Walked) -> None:
    home, _, _ = walked
    [(user, events)] = apart(home).rows(
        "SELECT user_id, count(*) FROM events GROUP BY user_id ORDER BY count(*) DESC LIMIT 1"
    )
    planned = home.recloop("erase", "--user", user, "--dry-run", COLUMNS="160")
    assert planned.returncode == 0, planned.stderr
    told = planned.stdout.split("back-test ", 1)[1]
    assert f"{events:,}" in told


def evidence(home: Home) -> dict[str, Any]:
    (kept,) = home.settings.reports.glob("backtest-*.json")
    assert kept.with_suffix(".html").exists()
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


def test_windows_fill_whole_steps_and_a_later_end_goes_on_in_the_same_home() -> None:
    asked = BackfillRequest(start=START, end=END, step=STEP, cycle=QUICK)
    assert asked.windows == [(START, START + STEP), (START + STEP, START + 2 * STEP)]
    longer = asked.model_copy(update={"end": END + STEP})
    assert len(longer.windows) == 3
    assert longer.home_of("ease") == asked.home_of("ease")
    others = (
        asked.model_copy(update={"start": END - STEP}),
        asked.model_copy(update={"step": STEP * 2}),
        asked.model_copy(update={"cycle": QUICK.model_copy(update={"mode": "batch"})}),
        asked.model_copy(update={"cycle": QUICK.model_copy(update={"warm_start": True})}),
    )
    assert len({other.home_of("ease") for other in (asked, *others)} | {asked.home_of("sasrec")}) == 6


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"end": START + timedelta(days=2)}, "no window of 8 days"),
        ({"challengers": ("nobody",)}, "'mmgrec'"),
        ({"step": timedelta(0)}, "greater than"),
        ({"cycle": QUICK.model_copy(update={"as_of": END})}, "follow from the windows"),
    ],
)
def test_what_cannot_be_is_refused_in_words(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        backfill_request(**{"start": START, "end": END, "step": STEP, "cycle": QUICK, **changed})


def test_inside_a_back_test_every_place_is_its_own_and_afterwards_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECLOOP_ARTIFACTS", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("RECLOOP_WAREHOUSE_URL", "postgresql+psycopg://a:b@db/c")
    monkeypatch.setenv("RECLOOP_FEAST_ONLINE_URL", "redis://cache:6379/0")
    monkeypatch.setenv("RECLOOP_PROMOTION_POLICY", "approve")
    monkeypatch.setenv("RECLOOP_TWO_PERSON_RULE", "true")
    before = load_settings()
    with inside_backtest("ease-1") as inside:
        own = tmp_path / "home" / "backtests" / "ease-1"
        places = ("artifacts", "gx_root", "feast_home", "events_spool", "exposures", "reports")
        assert all(getattr(inside, place).is_relative_to(own) for place in places)
        assert inside.warehouse_address == f"sqlite:///{own}/warehouse.db"
        assert (inside.promotion_policy, inside.two_person_rule) == ("auto", False)
        assert inside.feast_online_url is None
        assert not names_services()  # production's online features are not written over by the past's
        assert inside.model_name == "recloop-backtest-ease-1"
        assert (inside.prefect_api_url, inside.prefect_home) == (before.prefect_api_url, before.prefect_home)
    assert load_settings() == before
    assert names_services()
