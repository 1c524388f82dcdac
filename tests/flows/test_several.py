"""`retrain --challenger ease,sasrec`: one attempt, a verdict for each, a version for each, and one that goes on."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import Estate
from tests.flows.own_files import CUT, END
from tests.flows.worlds import Home

ASKED = (
    "--challenger", "ease, sasrec", "--preset", "quick", "--train-cutoff", CUT.isoformat(),
    "--as-of", END.isoformat(),
)  # fmt: skip


@pytest.fixture(scope="module")
def several(
    estate: Estate, world: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Home, dict[str, Any]]:
    """A cycle that was killed three times on its way, went on each time, and what it said."""
    home = estate.home("several", world)
    asked = ("retrain", "--source", str(world), *ASKED, "--json")
    before: dict[str, int] = {}
    # between two trainings; alpha spent and one judged; a version of the one that goes on without its alias
    for point in ("train sasrec:start", "judge sasrec:start", "register:after-create"):
        killed = home.recloop(*asked, CRASH_AT=point)
        assert killed.returncode == -signal.SIGKILL, f"{point}\n{killed.stderr}"
        assert before.items() <= home.journal().items(), (
            f"a finished stage was worked on again before {point}"
        )
        before = home.journal()
    done = home.recloop(*asked)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert before.items() <= home.journal().items(), "a finished stage was worked on again"
    return home, json.loads(done.stdout)


def test_each_is_judged_and_the_best_of_those_that_pass_goes_on(several: tuple[Home, dict[str, Any]]) -> None:
    _, told = several
    (beside,) = told["beside"]
    arms = {arm["arm"]: arm for arm in told["arms"]}
    by_role = {arm["role"]: arm["arm"] for arm in told["arms"]}
    assert {by_role["challenger"], by_role["also challenger"]} == {"ease", "sasrec"}
    assert by_role["also challenger"] == beside["arm"]
    lead = arms[by_role["challenger"]]
    if told["verdict"] == beside["verdict"]:
        assert (
            told["verdict"] != "PROMOTE"
            or beside["reason"] == f"passed too, with a smaller lead than {lead['arm']}"
        )
        assert lead["ndcg"] >= arms[beside["arm"]]["ndcg"]
    else:
        assert told["verdict"] == "PROMOTE"
    assert "of 2 challengers together" in told["reasons"][-1]


def test_they_are_one_attempt_on_the_window(several: tuple[Home, dict[str, Any]]) -> None:
    home, told = several
    ledger = home.rows("SELECT entry, attempt, verdict FROM alpha_ledger ORDER BY id")
    verdicts = sorted((told["verdict"], told["beside"][0]["verdict"]))
    assert ledger[0] == ("spent", 1, None)
    assert sorted(verdict for entry, _, verdict in ledger if entry == "judged") == verdicts
    assert {attempt for _, attempt, _ in ledger} == {1}


def test_each_is_a_version_with_its_own_verdict(several: tuple[Home, dict[str, Any]]) -> None:
    home, told = several
    tags = home.version_tags()
    assert {tag["recloop.arm"] for tag in tags.values()} == {"ease", "sasrec"}
    for one in (told, *told["beside"]):
        assert tags[one["version"]]["recloop.verdict"] == one["verdict"]
    assert len({tag["recloop.replay"] for tag in tags.values()}) == 2
    # an approval of a version that came before the champion counts as overtaken
    assert all(int(one["version"]) > int(told["version"]) for one in told["beside"])
    alias = "champion" if told["verdict"] == "PROMOTE" else "challenger"
    assert home.mlflow.get_registered_model(home.settings.model_name).aliases == {alias: told["version"]}
    assert told["champion_after"] == home.champion()


def test_the_runs_figures_in_mlflow_are_of_the_one_that_goes_on(several: tuple[Home, dict[str, Any]]) -> None:
    home, told = several
    version = home.mlflow.get_model_version(home.settings.model_name, told["version"])
    run = home.mlflow.get_run(version.run_id)
    (lead,) = (arm for arm in told["arms"] if arm["role"] == "challenger")
    assert run.data.metrics["replay/NDCG at 10"] == pytest.approx(lead["ndcg"])
    for arm in told["arms"]:
        assert run.data.metrics[f"arms/{arm['arm']} NDCG at 10"] == pytest.approx(arm["ndcg"])
    description = run.data.tags["mlflow.note.content"]
    assert f"also challenged: {told['beside'][0]['arm']}" in description


def test_the_report_tells_of_all_in_one_table(several: tuple[Home, dict[str, Any]]) -> None:
    _, told = several
    page = Path(told["addresses"]["replay report"]).read_text()
    section = page[page.index('<section id="challengers"') :]
    section = section[: section.index("</section>")]
    for told in ("ease", "sasrec", "goes on"):
        assert told in section, told
    assert "one attempt on this window and share its alpha by Holm" in section


def test_a_plan_of_the_same_does_nothing_again(several: tuple[Home, dict[str, Any]], world: Path) -> None:
    home, _ = several
    done = home.recloop("plan", "--source", str(world), *ASKED, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {stage["lot"] for stage in told["stages"]} == {"reused"}
    stages = {stage["stage"] for stage in told["stages"]}
    assert {"train ease", "train sasrec", "judge ease", "judge sasrec"} <= stages


def test_a_plan_of_what_is_new_says_what_it_assumes(
    several: tuple[Home, dict[str, Any]], world: Path
) -> None:
    home, _ = several
    done = home.recloop("plan", "--source", str(world), *ASKED, "--json", "--profile", "sequential")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    lots = {stage["stage"]: stage["lot"] for stage in told["stages"]}
    assert (lots["train ease"], lots["judge ease"], lots["promote"]) == ("reused", "depends", "depends")
    assert any("ease goes on" in assumed for assumed in told["assumes"])


def test_verdict_and_status_tell_of_both(several: tuple[Home, dict[str, Any]]) -> None:
    home, told = several
    (beside,) = told["beside"]
    said = home.recloop("verdict").stdout
    assert f"- Also challenged: {beside['arm']} {beside['verdict']}, version {beside['version']}" in said
    assert f"version {told['version']}" in home.recloop("status").stdout
