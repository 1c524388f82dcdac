"""Two event types of which one weighs nothing, through a whole cycle: counted, trained, judged and told by weight."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from pydantic import TypeAdapter

from components.artifact import ArtifactRef
from components.data import cycles
from components.features.trainingset import load_training_set
from components.recommender.loading import load_arm
from flows.cli.plan import as_dict
from flows.comparison import weights_of_comparison
from flows.local.console import console
from flows.planning import plan_cycle
from flows.request import cycle_request
from flows.snapshots import Snapshots
from flows.summary import told_of
from flows.warehouse import warehouse
from flows.weighted_types import NothingWeighted, check_weights
from tests.flows.own_files import CUT, END, MAP, WEIGHTS
from tests.flows.worlds import Home


@pytest.fixture
def snapshots(own_files: tuple[Home, str]) -> Snapshots:
    return TypeAdapter(Snapshots).validate_python(own_files[0].outputs(0)["take snapshots"])


def test_popularity_counts_what_weighs_something(own_files: tuple[Home, str]) -> None:
    home, _ = own_files
    events = pd.read_parquet(home.data / "events.parquet")
    before = events[events["timestamp"] < CUT]
    bought = before[before["event_type"] == "buy"].groupby("item_id").size()
    arm = load_arm(Path(home.outputs(0)["count popularity"]["arms"]["popularity"]["path"]))
    counted = dict(zip(arm.item_ids, arm.scores, strict=True))
    assert counted == {item: bought.get(item, 0) for item in before["item_id"].unique()}


def test_truth_is_what_weighs_something_and_history_is_all(own_files: tuple[Home, str]) -> None:
    """Nobody takes an item twice here, so each purchase of who has a history is true once."""
    home, _ = own_files
    events = pd.read_parquet(home.data / "events.parquet")
    window = events[(events["timestamp"] >= CUT) & (events["timestamp"] < END)]
    first = events.groupby("user_id")["timestamp"].min()
    known = window["timestamp"].dt.floor("s") > window["user_id"].map(first).dt.floor("s")
    asked = window[known & (window["event_type"] == "buy")]
    plan = home.evidence(0)["plan"]
    assert plan["event_weights"] == WEIGHTS
    assert (plan["window_events"], plan["positives"]) == (len(window), len(asked))
    assert plan["users"] == asked["user_id"].nunique()


def test_training_tells_types_apart_and_its_artifacts_say_the_weights(own_files: tuple[Home, str]) -> None:
    home, _ = own_files
    rows = load_training_set(ArtifactRef(**home.outputs(0)["training rows"]["training_set"]))
    assert {name for types in rows.type_lists or [] for name in types} == {"view", "buy"}
    arm = Path(home.outputs(0)["train mmgrec"]["arm"]["path"])
    assert json.loads((arm / "manifest.json").read_text())["config"]["event_weights"] == WEIGHTS


def test_whoever_asks_is_told(own_files: tuple[Home, str]) -> None:
    """A type that no event is of, and what the filter of seen items does to views; the run and the report."""
    home, said = own_files
    text = " ".join(said.split())
    assert "no event is of type 'gift', which has a weight. There are: buy " in text
    assert "view weighs 0, and seen items are filtered" in text
    (run,) = home.mlflow.search_runs(
        [home.mlflow.get_experiment_by_name("own-files").experiment_id]  # type: ignore[union-attr]
    )
    assert run.data.params["event_weights"] == WEIGHTS
    report = Path(home.outputs(0)["draw report"]["report"]["path"]) / "report.html"
    assert "<dt>Event weights</dt><dd>gift=2, view=0<small>" in report.read_text()


def test_other_weights_do_anew_exactly_what_hangs_on_them(
    own_files: tuple[Home, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a plan: .5 in place of 0 trains, counts, ranks and judges anew; none makes the training rows anew too."""
    home, _ = own_files
    for name, value in home.environ.items():
        monkeypatch.setenv(name, value)

    def lots(weights: str | None) -> dict[str, bool]:
        asked = {
            "source": str(home.data),
            "mapping": MAP,
            "preset": "quick",
            "train_cutoff": CUT,
            "as_of": END,
        }
        told = as_dict(plan_cycle(cycle_request(**asked, event_weights=weights)))
        return {stage["stage"]: stage["lot"] == "reused" for stage in told["stages"]}

    assert all(lots(None).values())
    assert all(lots("gift=2.0,view=0,buy=1").values())
    other = lots("view=0.5")
    assert {stage for stage, is_reused in other.items() if is_reused} == {
        "check batch", "land batch", "take snapshots", "encode items", "check vectors", "store features",
        "training rows", "fit tokenizer", "identify cold items",
    }  # fmt: skip
    alike = lots("none")
    assert (alike["encode items"], alike["training rows"], alike["train mmgrec"]) == (True, False, False)


def test_a_comparison_takes_the_last_cycles_weights_unless_told(
    own_files: tuple[Home, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in own_files[0].environ.items():
        monkeypatch.setenv(name, value)
    (cycle,) = cycles.cycles(warehouse())
    last = told_of(cycle)
    assert weights_of_comparison(None, last) == WEIGHTS
    assert weights_of_comparison("none", last) == weights_of_comparison(None, None) == ""
    monkeypatch.setenv("RECLOOP_EVENT_WEIGHTS", "view=0.5")
    assert weights_of_comparison(None, last) == "view=0.5"
    assert weights_of_comparison("view=3", last) == "view=3"


def test_where_nothing_weighs_anything_a_cycle_ends_with_the_types_that_there_are(
    snapshots: Snapshots,
) -> None:
    with pytest.raises(NothingWeighted, match=r"before the cut weighs 0: buy [\d,]+ \(weight 0\), view"):
        check_weights(snapshots, "buy=0,view=0", filter_seen=True)


def test_where_types_weigh_alike_or_all_of_them_are_there_nothing_is_said(snapshots: Snapshots) -> None:
    with console.capture() as said:
        check_weights(snapshots, "", filter_seen=True)
        check_weights(snapshots, "buy=2,view=0.2", filter_seen=True)
        check_weights(snapshots, "view=0", filter_seen=False)
    assert said.get() == ""
