"""`recloop tune` through the command: what it judges by, what it looks at, how it goes on, and what is made of it."""

from __future__ import annotations

import json
import shlex
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.flows.conftest import Estate
from tests.flows.worlds import Home

QUICK = ("--preset", "quick", "--minutes", "10")


def tuned(home: Home, *arguments: str) -> dict[str, Any]:
    done = home.recloop("tune", "--source", str(home.data), *QUICK, *arguments, "--json")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def trials(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Without what differs from run to run."""
    return [{k: v for k, v in one.items() if not k.endswith("seconds")} for one in told["trials"]]


@pytest.fixture(scope="module")
def home(estate: Estate, finished: Home) -> Home:
    """A home with the warehouse of the finished one: what it makes disturbs nobody."""
    home = estate.home("tuned", finished.data)
    home.settings.home.mkdir(parents=True)
    source = sqlite3.connect(finished.settings.home / "warehouse.db")
    target = sqlite3.connect(home.settings.home / "warehouse.db")
    with target:
        source.backup(target)
    source.close()
    target.close()
    return home


@pytest.fixture(scope="module")
def windows(finished: Home) -> tuple[str, str, str]:
    """The cut of the first cycle, that of the second, and the end."""
    rows = finished.rows("SELECT train_cutoff, as_of FROM cycles ORDER BY as_of")
    moments = (rows[0][0], rows[1][0], rows[1][1])
    first, second, end = (datetime.fromtimestamp(micros / 1e6, UTC).isoformat() for micros in moments)
    return first, second, end


def test_the_preset_is_worth_what_the_replay_of_that_window_found(
    home: Home, finished: Home, windows: tuple[str, str, str]
) -> None:
    """Before the second cycle's cut lies the first one's replay window: MMGRec was the challenger there."""
    first, second, end = windows
    told = tuned(
        home, "--arm", "mmgrec", "--trials", "3", "--train-cutoff", second, "--as-of", end,
        "--validate-from", first,
    )  # fmt: skip
    assert (told["study"]["objective"]["validate_from"], told["study"]["objective"]["cut"]) == (first, second)
    (replayed,) = [
        one["mean"]
        for one in finished.evidence(0)["arms"]
        if (one["arm"], one["metric"]) == ("mmgrec", "ndcg@10")
    ]
    assert told["trials"][0]["value"] == pytest.approx(replayed, abs=1e-12)
    assert [one["kind"] for one in told["trials"]] == ["preset", "search", "decode"]


@pytest.fixture(scope="module")
def study(estate: Estate, world: Path) -> tuple[Home, tuple[str, ...], dict[str, Any]]:
    """EASE on a home that nothing was landed in."""
    times = pd.read_parquet(world / "events.parquet")["timestamp"]
    cut, end = (
        times.quantile(0.7).floor("s").isoformat(),
        (times.max() + pd.Timedelta("1s")).floor("s").isoformat(),
    )
    home = estate.home("tuned-ease", world)
    asked = ("--arm", "ease", "--train-cutoff", cut, "--as-of", end)
    return home, asked, tuned(home, *asked, "--trials", "3")


def test_a_study_goes_on_and_is_told_again(study: tuple[Home, tuple[str, ...], dict[str, Any]]) -> None:
    home, asked, told = study
    assert [one["kind"] for one in told["trials"]] == ["preset", "search", "search"]
    assert told["trials"][0]["settings"] == {"regularization": 250.0, "fading": 0.6}
    best = told["trials"][told["study"]["best"]]
    assert best["value"] == max(one["value"] for one in told["trials"])
    assert told["settings"] == best["settings"]
    words = shlex.split(told["next"])  # what was typed, whole, and nothing that is the study's own
    assert words[:4] == ["recloop", "--home", str(home.settings.home), "retrain"]
    assert (
        dict(zip(words[4::2], words[5::2], strict=True)).items()
        >= {
            "--challenger": "ease",
            "--train-cutoff": asked[3],
            "--as-of": asked[5],
        }.items()
    )
    assert not {"--arm", "--trials", "--json"} & set(words)
    longer = tuned(home, *asked, "--trials", "4")
    assert longer["trials"][:3] == told["trials"]
    assert len(longer["trials"]) == 4
    assert json.loads(Path(longer["file"]).read_text()) == {
        name: longer[name] for name in ("arm", "preset", "settings", "study", "trials")
    }


def test_nothing_at_or_after_the_cut_is_looked_at(
    study: tuple[Home, tuple[str, ...], dict[str, Any]], estate: Estate, tmp_path: Path
) -> None:
    home, asked, told = study
    data = tmp_path / home.data.name  # an event's id holds the name of its source
    data.mkdir()
    for path in home.data.iterdir():
        if path.name != "events.parquet":
            (data / path.name).symlink_to(path)
    events = pd.read_parquet(home.data / "events.parquet")
    later = events["timestamp"] >= pd.Timestamp(asked[3])
    assert later.sum() > 100
    events.loc[later, "item_id"] = events.loc[later, "item_id"].sample(frac=1, random_state=0).to_numpy()
    events.drop(events.index[later][::3]).to_parquet(data / "events.parquet", index=False)
    other = tuned(estate.home("another-future", data), *asked, "--trials", "3")
    assert other["study"]["study"] == told["study"]["study"]
    assert other["study"]["data"] == told["study"]["data"]
    assert trials(other) == trials(told)
