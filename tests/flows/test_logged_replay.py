"""Counterfactual replay from the terminal: bad logs are told at once, a good one leaves evidence and a report.

The sample is judged without servers; one run passes through the real ones.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from components.evaluation.counterfactual.evaluation import evaluate_logged
from components.evaluation.counterfactual.logged import LoggedFeedbackError, feedback_from_rows
from components.evaluation.counterfactual.profile import small
from components.report.page import shared
from components.serving.exposures import ExposureLog, exposure
from components.serving.split import Variant, variant_of
from components.serving.spool import EventSpool, SpooledEvent
from flows.cli.logged_box import logged_box
from flows.logged_source import logs_at, read_log
from tests.flows.conftest import Estate

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = {"champion": "1", "challenger": "2"}


def write_log(path: Path, *, rounds: int = 4_000, seed: int = 3) -> Path:
    """Three items, shown evenly; the judged policy prefers the one that is clicked most."""
    generator = np.random.default_rng(seed)
    item = generator.integers(0, 3, rounds)
    click = generator.random(rounds) < np.array([0.1, 0.2, 0.5])[item]
    table = pd.DataFrame(
        {
            "user_id": generator.integers(0, 1_500, rounds),
            "item_id": item,
            "reward": click.astype(int),
            "propensity": 1 / 3,
            "target_propensity": np.array([0.2, 0.2, 0.6])[item],
        }
    )
    table.to_csv(path, index=False)
    return path


def write_policy(path: Path) -> Path:
    path.write_text("item_id,probability\n0,0.2\n1,0.2\n2,0.6\n")
    return path


def recloop(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", "--home", str(home), *map(str, arguments)],
        cwd=ROOT, env={**os.environ, "COLUMNS": "400", "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"propensity": 0.0}, r"row 7: propensity 0\.0 is not above 0"),
        ({"propensity": 1.5}, r"row 7: propensity 1\.5 is not above 0 and at most 1"),
        ({"reward": np.nan}, r"row 7: reward nan is not finite"),
    ],
)
def test_a_bad_row_is_named_before_anything_starts(tmp_path: Path, change: dict, told: str) -> None:
    table = pd.read_csv(write_log(tmp_path / "log.csv", rounds=20)).astype({"reward": float})
    table.loc[7, list(change)] = list(change.values())
    table.to_csv(tmp_path / "log.csv", index=False)
    done = recloop(tmp_path / "home", "replay", "--logged", tmp_path / "log.csv")
    assert done.returncode == 1
    assert "LoggedFeedbackError" in done.stderr
    assert re.search(rf"/log\.csv: {told}", done.stderr)
    assert "starting" not in done.stdout


def test_a_bad_row_of_the_policy_names_its_file(tmp_path: Path) -> None:
    log, policy = write_log(tmp_path / "log.csv", rounds=20), tmp_path / "fresh.csv"
    policy.write_text("item_id,probability\n0,0.6\n1,-0.2\n2,0.6\n")
    with pytest.raises(
        LoggedFeedbackError, match=r"fresh\.csv: target policy, row 1: item 1 has the probability -0\.2"
    ):
        read_log(log, policy)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--logged", "gone.csv"), "gone.csv is not there"),
        (("--logged", "."), "no open_bandit_<log>_<campaign>.csv lies there"),
        (("--logged", "log.csv", "--profile", "huge"), "judged by profile small or production"),
        (
            ("--logged", "log.csv", "--profile", "sequential"),
            "a log is judged by profile small or production",
        ),
        (("--logged", "log.csv", "--challenger", "2"), "leave out --challenger"),
        (("--target-policy", "policy.csv"), "name a registered version with --challenger, or a log"),
        ((), "name a registered version with --challenger, or a log"),
    ],
)
def test_contradicting_requests(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    write_log(tmp_path / "log.csv", rounds=20)
    names = [
        a if a.startswith("--") or a in ("2", "huge", "sequential") else str(tmp_path / a) for a in arguments
    ]
    done = recloop(tmp_path / "home", "replay", *names)
    assert done.returncode in (1, 2)
    assert told in " ".join(re.sub("[│╭╮╰╯─]", " ", done.stderr).split())


@pytest.mark.shared_data
def test_the_sample_in_both_directions(shared: Path) -> None:
    """No log of the sample can certify a winner, and the weight of 21,739 is refused by name."""
    found = {}
    for path in logs_at(shared / "data" / "open_bandit_sample"):
        logged = read_log(path, None)
        result = evaluate_logged(feedback_from_rows(logged.rows, logged.policy), small())
        found[path.stem.removeprefix("open_bandit_")] = result
        drawn = Console(width=150, record=True, file=io.StringIO())
        drawn.print(logged_box(logged.source, result))
        text = drawn.export_text()
        assert str(result.verdict.outcome) in text
        assert "snips" in text
    outcomes = {name: str(result.verdict.outcome) for name, result in found.items()}
    assert outcomes == {
        "bts_all": "INVALID", "bts_men": "INVALID", "bts_women": "INVALID",
        "random_all": "HOLD", "random_men": "HOLD", "random_women": "HOLD",
    }  # fmt: skip
    heavy = found["bts_women"]
    assert any("one round has weight 2.174e+04, 69.4% of all" in r for r in heavy.verdict.reasons)
    assert heavy.support.ess < 3


def test_a_log_through_the_real_servers(estate: Estate, tmp_path: Path) -> None:
    """Verdict in the terminal, evidence and report published, artifacts in Prefect; again: reused, the same."""
    log, policy = write_log(tmp_path / "clicks.csv"), write_policy(tmp_path / "fresh.csv")
    home = estate.home("logged", tmp_path)
    command = (
        "--home",
        str(home.settings.home),
        "replay",
        "--logged",
        str(log),
        "--target-policy",
        str(policy),
    )
    first = home.recloop(*command)
    assert first.returncode == 0, first.stderr
    assert "PROMOTE" in first.stdout
    assert "fresh judged from the log of logging policy" in first.stdout
    (published,) = (home.settings.artifacts / "logged-replay").iterdir()
    evidence = (published / "evidence.json").read_text()
    assert json.loads(evidence)["support"]["clusters"] > 1_000
    (page,) = home.settings.reports.glob("clicks-promote-*.html")
    assert page.read_text() == shared((published / "report.html").read_text()).text
    keys = {artifact.key for artifact in home.artifacts()}
    assert keys >= {"logged-verdict", "logged-estimates", "logged-report", "replay-run"}
    (run,) = home.replay_runs()
    assert run.info.status == "FINISHED"
    assert run.data.tags["recloop.verdict"] == "PROMOTE"
    assert run.data.metrics["snips"] == pytest.approx(
        next(e["value"] for e in json.loads(evidence)["estimates"] if e["name"] == "snips")
    )
    kept = {file.path for file in home.mlflow.list_artifacts(run.info.run_id, "replay")}
    assert kept == {"replay/report.html", "replay/evidence.json"}

    second = home.recloop(*command)
    assert second.returncode == 0, second.stderr
    assert "reused" in second.stdout
    assert [p.name for p in (home.settings.artifacts / "logged-replay").iterdir()] == [published.name]


def test_an_export_of_a_live_test_is_judged(estate: Estate, tmp_path: Path) -> None:
    """`recloop experiment export` writes what `recloop replay --logged` reads: the better challenger is promoted.

    Two items a list, both other than the other version's; 30 and 60 % of the users have the first.
    """
    home = estate.home("exported", tmp_path)
    begin, rng = datetime(2026, 11, 1, tzinfo=UTC), np.random.default_rng(4)
    log, spool = ExposureLog(home.settings.exposures), EventSpool(home.settings.events_spool)
    lists: dict[Variant, list[str]] = {"champion": ["a", "b"], "challenger": ["c", "d"]}
    for number in range(1_500):
        user, at = f"u{number}", begin + timedelta(minutes=number)
        variant = variant_of(user, share=0.5, salt="s")
        other: Variant = "champion" if variant == "challenger" else "challenger"
        log.append(
            exposure(
                request_id=f"r{number:05d}", user_id=user, shown_at=at, variant=variant, version=VERSIONS[variant],
                item_ids=lists[variant], other=(VERSIONS[other], lists[other]), share=0.5, salt="s",
            )
        )  # fmt: skip
        if rng.random() < {"champion": 0.3, "challenger": 0.6}[variant]:
            had = SpooledEvent(
                event_id=f"e{number}", user_id=user, item_id=lists[variant][0], event_type="buy",
                timestamp=at + timedelta(hours=1),
            )  # fmt: skip
            spool.append(had, arrived_at=at)
    log.close()
    spool.close()
    exported = home.recloop("experiment", "export", "--to", str(tmp_path / "live.csv"))
    assert exported.returncode == 0, exported.stderr
    assert "3000 rows of 1,500 lists" in exported.stdout.replace("3,000", "3000")
    judged = home.recloop("replay", "--logged", str(tmp_path / "live.csv"))
    assert judged.returncode == 0, judged.stderr
    assert "PROMOTE" in judged.stdout
