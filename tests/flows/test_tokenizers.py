"""A tokenizer chosen by name: the baseline runs to its end, another one makes new IDs, and none is kept by mistake."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.artifact import verified
from components.data.sources.folder import read_folder
from components.data.sources.synthetic import write_synthetic
from tests.flows.conftest import Estate
from tests.flows.worlds import WORLD, Home


@pytest.fixture(scope="module")
def many_items(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More items than the 200 from which on IDs have to be related to those before."""
    return write_synthetic(replace(WORLD, num_items=260), tmp_path_factory.mktemp("data") / "many-items")


@pytest.fixture(scope="module")
def after_the_baseline(estate: Estate, many_items: Path) -> tuple[Home, list[str], str]:
    """A home with one cycle by the paper's configuration, the options of the next one, and what the command said."""
    home = estate.home("tokenizers", many_items)
    moments = read_folder(many_items).events["timestamp"].sort_values().reset_index(drop=True)
    cut, until = (datetime.fromtimestamp(moments.iloc[int(share * len(moments))].timestamp(), UTC)
                  .replace(microsecond=0) for share in (0.6, 0.8))  # fmt: skip
    asked = ["--source", str(many_items), "--preset", "quick", "--challenger", "fusion"]
    first = [*asked, "--train-cutoff", cut.isoformat(), "--as-of", until.isoformat()]
    done = home.recloop("retrain", *first, "--tokenizer", "paper", "--json", COLUMNS="300")
    assert done.returncode in (0, 3), f"{done.stdout}\n{done.stderr}"
    later = [*asked, "--as-of", (until + timedelta(days=7)).isoformat()]
    return home, later, done.stderr


def output(home: Home, stage: str) -> dict[str, Any]:
    """What the latest run of a stage gave."""
    [(found,)] = home.rows(
        f"SELECT output FROM stage_journal WHERE stage = '{stage}' ORDER BY finished_at DESC LIMIT 1"
    )
    told: dict[str, Any] = json.loads(found)
    return told


def test_checkpoints_of_all_networks_of_an_arm_are_gone_once_it_is_trained(
    after_the_baseline: tuple[Home, list[str], str],
) -> None:
    """The quick preset of `fusion` has two, each with a checkpoint of its own."""
    home, _, _ = after_the_baseline
    arm = verified(output(home, "train fusion")["arm"]["path"])
    assert arm["config"]["name"] == "fusion"
    assert (home.settings.home / "checkpoints").is_dir()
    assert not list((home.settings.home / "checkpoints").iterdir())


def test_the_papers_configuration_runs_to_its_end_and_says_that_it_is_a_baseline(
    after_the_baseline: tuple[Home, list[str], str],
) -> None:
    """Its codebooks collapse, which stops any other; warning, box, report, record and artifact name it."""
    home, _, said = after_the_baseline
    assert "paper is a baseline, and stays: level 1 of 3" in said
    made = output(home, "fit tokenizer")
    assert made["health"]["usage_1"] < 0.7
    assert made["outside"].startswith("level 1 of 3")
    assert verified(made["tokenizer"]["path"])["config"]["tokenizer"] == "paper"
    [(summary,)] = home.rows("SELECT summary FROM cycles")
    record = json.loads(summary)
    note = "fitted as paper, a baseline whatever its health: there was none before"
    assert (record["told"]["tokenizer_note"], record["carried"]["name"]) == (note, "paper")
    (report,) = home.settings.reports.glob("*.html")
    page = report.read_text()
    assert note in page
    assert made["told"] in page


def test_ids_that_another_tokenizer_made_are_not_kept_by_its_name(
    after_the_baseline: tuple[Home, list[str], str],
) -> None:
    """Nor is anything begun: what a home carries on is known before servers are."""
    home, later, _ = after_the_baseline
    begun = len(home.flow_runs())
    refused = home.recloop("retrain", *later, "--keep-tokenizer", "--tokenizer", "fsq", COLUMNS="300")
    assert refused.returncode == 1, refused.stdout
    told = " ".join(refused.stderr.split())
    assert "IDs that exist were made by paper, and are to be kept while fsq is asked for" in told
    assert "leave out --tokenizer" in told
    assert len(home.flow_runs()) == begun


@pytest.mark.parametrize(
    ("named", "stage"),
    [
        ([], "extend ids"),
        (["--tokenizer", "paper"], "extend ids"),
        (["--tokenizer", "fsq"], "fit tokenizer"),
    ],
)
def test_without_a_name_and_with_the_same_ids_go_on(
    after_the_baseline: tuple[Home, list[str], str], named: list[str], stage: str
) -> None:
    home, later, _ = after_the_baseline
    planned = home.recloop("plan", *later, *named, "--json")
    assert planned.returncode == 0, planned.stderr
    stages = {one["stage"] for one in json.loads(planned.stdout)["stages"]}
    assert stages & {"extend ids", "fit tokenizer"} == {stage}


def test_another_tokenizer_makes_new_ids_for_all_items(
    after_the_baseline: tuple[Home, list[str], str],
) -> None:
    home, later, _ = after_the_baseline
    done = home.recloop("retrain", *later, "--tokenizer", "residual_kmeans", COLUMNS="300")
    assert done.returncode in (0, 3), f"{done.stdout}\n{done.stderr}"
    assert "refitted as residual_kmeans, as asked" in " ".join((done.stdout + done.stderr).split())
    made = output(home, "fit tokenizer")
    assert (made["name"], made["outside"]) == ("residual_kmeans", "")
    assert made["health"]["stability_common"] >= 200
    assert made["health"]["stability_rand_1"] < 0.05, "which would be refused, were it to go on with these"
    config = {"preset": "quick", "seed": 7, "tokenizer": "residual_kmeans"}
    assert verified(made["tokenizer"]["path"])["config"] == config
    version = home.mlflow.search_model_versions(f"name = '{home.settings.model_name}'")[0]
    assert version.tags["recloop.tokenizer"] == made["tokenizer"]["digest"]


def test_a_study_makes_ids_by_the_tokenizer_of_the_home(
    after_the_baseline: tuple[Home, list[str], str],
) -> None:
    """After the cycle above, in which nothing arrives any more."""
    home, _, _ = after_the_baseline
    asked = ["--source", str(home.data), "--preset", "quick", "--arm", "semantic_sasrec", "--trials", "1"]
    done = home.recloop("tune", *asked, "--json")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    made = output(home, "fit tokenizer")
    assert (made["name"], "stability_common" in made["health"]) == ("residual_kmeans", False)
