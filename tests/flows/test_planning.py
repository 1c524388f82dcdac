"""A plan says what the retraining with the same options then does, and does nothing itself."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components.artifact import digest_of
from flows.asking import Asking, Undecided, Unknown
from flows.cli.demo import POISONED_ROWS
from flows.cli.plan import _total, as_dict
from flows.planning import plan_cycle
from flows.request import CycleRequest, cycle_request
from tests.flows.conftest import Estate
from tests.flows.worlds import ROOT, Home

RETRAIN = (
    "import sys; from flows.cycle import retraining_cycle; from flows.request import CycleRequest; "
    "retraining_cycle(CycleRequest.model_validate_json(sys.argv[1]))"
)


def last_cycle(home: Home) -> dict[str, Any]:
    """What the second cycle of a finished home was asked; what the first one was asked is older than the warehouse."""
    as_of, cut = home.rows("SELECT as_of, train_cutoff FROM cycles ORDER BY as_of")[1]
    end, start = (datetime.fromtimestamp(micros / 1e6, UTC) for micros in (as_of, cut))
    asked = {"source": str(home.data), "since": start, "as_of": end, "train_cutoff": start}
    return asked | {"preset": "quick", "poisoned_rows": POISONED_ROWS}


def options(asked: dict[str, Any]) -> list[str]:
    """The same on the command line, which spoils no rows."""
    texts = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asked.items()
        if name != "poisoned_rows"
    }
    return [word for name, text in texts.items() for word in (f"--{name.replace('_', '-')}", text)]


def planned(home: Home, asked: dict[str, Any], **settings: str) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (home.environ | settings).items():
            patched.setenv(name, value)
        return as_dict(plan_cycle(cycle_request(**asked)))


def lots(told: dict[str, Any]) -> dict[str, str]:
    return {stage["stage"]: stage["lot"] for stage in told["stages"]}


@pytest.fixture(scope="module")
def beside(estate: Estate, finished: Home, world: Path) -> tuple[Home, dict[str, str]]:
    """A home with the warehouse of the finished one, and no version yet: what it makes disturbs nobody."""
    home = estate.home("planned", world)
    home.settings.home.mkdir(parents=True)
    source = sqlite3.connect(finished.settings.home / "warehouse.db")
    copied = sqlite3.connect(home.settings.home / "warehouse.db")
    with copied:
        source.backup(copied)
    source.close()
    copied.close()
    shared = {
        "RECLOOP_FEAST_HOME": finished.settings.feast_home,
        "RECLOOP_GX_ROOT": finished.settings.gx_root,
    }
    return home, {name: str(path) for name, path in shared.items()}


def test_of_a_finished_request_everything_is_reused_and_nothing_is_touched(finished: Home) -> None:
    def state() -> dict[str, tuple[int, int]]:
        files = (path for path in finished.settings.home.rglob("*") if path.is_file())
        kept = (f for f in files if not f.name.endswith((".opening", "-shm", "-wal")))
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in kept}

    before, journal = state(), finished.journal()
    told = planned(finished, last_cycle(finished))
    assert set(lots(told).values()) == {"reused"}
    assert lots(told).keys() == finished.outputs(1).keys()
    assert told["cost"] == {"seconds": 0, "peak_mb": 0, "energy_joules": None, "money": None}
    assert finished.journal() == journal
    assert state() == before


def test_no_server_is_asked(finished: Home) -> None:
    """Both addresses lead nowhere."""
    away = dict.fromkeys(("MLFLOW_TRACKING_URI", "PREFECT_API_URL"), "http://127.0.0.1:9")
    told = planned(finished, last_cycle(finished), **away)
    elsewhere = {stage for stage, lot in lots(told).items() if lot != "reused"}
    assert elsewhere == {"register", "promote"}  # another registry has not been given the version


def test_exactly_what_is_planned_runs(beside: tuple[Home, dict[str, str]], finished: Home) -> None:
    """Another challenger, by a tuned preset, on the same window: data, features, IDs and the other arms are there."""
    home, settings = beside
    tuned = {"arm": "ease", "preset": "quick", "settings": {"regularization": 99.0}}
    asked = last_cycle(finished) | {"challenger": "ease", "tuned": tuned}
    told = planned(home, asked, **settings)
    assert told["tuned"] == tuned | {"digest": digest_of(tuned), "settings_digest": digest_of(tuned)}
    subprocess.run(
        [sys.executable, "-c", RETRAIN, cycle_request(**asked).model_dump_json()],
        cwd=ROOT, env=home.environ | settings, check=True, capture_output=True, timeout=400,
    )  # fmt: skip
    (summary,) = home.rows("SELECT summary FROM cycles ORDER BY recorded_at DESC LIMIT 1")
    ran = {stage["stage"]: stage["reused"] for stage in json.loads(summary[0])["told"]["stages"]}
    assert {stage: lot == "reused" for stage, lot in lots(told).items()} == ran
    assert {stage for stage, reused in ran.items() if not reused} == {
        "open cycle", "train ease", "bundle", "rank ease", "judge", "draw report", "register", "promote",
    }  # fmt: skip
    depends = {stage["stage"]: list(stage["depends_on"]) for stage in told["stages"] if stage["depends_on"]}
    assert depends["bundle"] == ["train ease"]
    assert depends["judge"] == ["rank ease", "bundle"]
    assert set(lots(planned(home, asked, **settings)).values()) == {"reused"}
    shipped = lots(planned(home, asked | {"tuned": None}, **settings))
    assert shipped["train ease"] == "runs"
    check_that_the_version_names(home, digest_of(tuned))


def check_that_the_version_names(home: Home, digest: str) -> None:
    """Tag, card and report, and the config that it was trained with."""
    (version,) = home.mlflow.search_model_versions(f"name = '{home.settings.model_name}'")
    assert version.tags["recloop.tuned_preset"] == digest
    assert f"`{digest[:12]}`" in version.description
    (report,) = home.settings.reports.glob("*.html")
    assert f"by tuned preset {digest[:12]}" in report.read_text()
    ((output,),) = home.rows("SELECT output FROM stage_journal WHERE stage = 'train ease'")
    trained = Path(json.loads(output)["arm"]["path"])
    config = json.loads((trained / "manifest.json").read_text())["config"]
    assert (config["settings"], config["tuned"]) == ({"regularization": 99.0}, digest)
    assert json.loads((trained / "arm.json").read_text())["config"]["regularization"] == 99.0


def test_what_it_would_cost_is_of_earlier_runs_and_what_nobody_knows_is_said(
    beside: tuple[Home, dict[str, str]], finished: Home
) -> None:
    home, settings = beside
    asked = last_cycle(finished) | {"challenger": "hstu"}
    told = planned(home, asked, RECLOOP_COST_PER_HOUR="3600", **settings)
    assert told["never_run"] == ["train hstu", "rank hstu"]
    costs = {stage["stage"]: stage["past"] for stage in told["stages"]}
    to_run = [stage for stage, lot in lots(told).items() if lot != "reused" and costs[stage]]
    assert told["cost"]["seconds"] == pytest.approx(sum(costs[stage]["seconds"] for stage in to_run))
    assert told["cost"]["money"] == pytest.approx(told["cost"]["seconds"])
    [(count,)] = home.rows("SELECT count(*) FROM stage_journal WHERE stage = 'judge'")
    assert costs["judge"]["runs"] == count > 1
    shown = home.recloop("plan", *options(asked), RECLOOP_COST_PER_HOUR="3600", **settings).stdout
    assert "at RECLOOP_COST_PER_HOUR" in " ".join(shown.split())
    assert "depends on train hstu" in shown
    assert "Never run here, and not in the sum: train hstu, rank hstu." in " ".join(shown.split())


def test_of_a_home_that_is_not_there_yet_everything_is_to_run_and_nothing_is_made(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECLOOP_HOME", str(tmp_path / "home"))
    told = plan_cycle(CycleRequest(source=str(world), preset="quick"))
    assert told.champion is None
    assert [stage.lot for stage in told.stages[:3]] == ["runs", "depends", "depends"]
    assert "fit tokenizer" in {stage.stage for stage in told.stages}
    assert all(stage.lot != "reused" for stage in told.stages)
    assert len(told.never_run) == len(told.to_run)
    assert _total(told).endswith("none of them has run in this home before, so nobody knows what they cost.")
    assert not (tmp_path / "home").exists()


def test_what_is_not_made_yet_is_handed_on_and_decides_nothing() -> None:
    made = Unknown("train x")
    assert made.arm.digest.upper().made_by == "train x"
    assert (made == "other").made_by == "train x"
    for decide in (bool, list, len, str):
        with pytest.raises(Undecided, match="train x"):
            decide(made)


def test_what_is_no_stage_cannot_be_asked() -> None:
    with pytest.raises(TypeError, match="is no stage"):
        Asking()(lambda: None)  # type: ignore[arg-type, return-value]
