"""`retrain --challenger multitron --preference`: rows with types, an arm that aims, a front in the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from components.artifact import ArtifactRef
from components.features.trainingset import load_training_set
from components.recommender.arms.multitron import MultitronArm
from components.recommender.loading import load_arm
from flows.cli.plan import as_dict
from flows.local.console import console
from flows.measured_front import read_front
from flows.planning import plan_cycle
from flows.release import incumbent
from flows.request import BadRequest, cycle_request
from flows.settled import settle_cycle
from flows.snapshots import Snapshots
from flows.warm_start import beginning_of
from flows.weighted_types import check_preference
from tests.flows.conftest import Estate
from tests.flows.own_files import ASKED, CUT, END, MAP, write_own_files
from tests.flows.worlds import Home

PREFERENCE = "buy=0.8,view=0.2"


@pytest.fixture(scope="module")
def aimed(estate: Estate, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A cycle whose challenger aims at purchases rather than views, all of which weigh alike."""
    data = write_own_files(tmp_path_factory.mktemp("data") / "two-types")
    home = estate.home("preferences", data)
    done = home.recloop(
        "retrain", "--source", str(data), *ASKED, "--challenger", "multitron", "--preference", "view=1,buy=4",
        "--event-weight", "none", "--json",
    )  # fmt: skip
    assert done.returncode in (0, 3), f"{done.stdout}\n{done.stderr}"
    return home


def test_the_arm_has_an_objective_for_each_type_and_aims_as_asked(aimed: Home) -> None:
    rows = load_training_set(ArtifactRef(**aimed.outputs(0)["training rows"]["training_set"]))
    assert {name for types in rows.type_lists or [] for name in types} == {"view", "buy"}
    folder = Path(aimed.outputs(0)["train multitron"]["arm"]["path"])
    assert json.loads((folder / "manifest.json").read_text())["config"]["preference"] == PREFERENCE
    arm = load_arm(folder)
    assert isinstance(arm, MultitronArm)
    assert (arm.config.objectives, arm.config.preference) == (("buy", "view"), PREFERENCE)
    other = json.loads((Path(aimed.outputs(0)["train sasrec"]["arm"]["path"]) / "manifest.json").read_text())
    assert "preference" not in other["config"]


def test_the_report_draws_what_other_preferences_reach(aimed: Home) -> None:
    """One figure and one table, of what lies beside as an artifact."""
    front = read_front(ArtifactRef(**aimed.outputs(0)["measure front multitron"]["front"]))
    assert front.types == ("view", "buy")  # a quarter are views
    assert [point.name for point in front.points] == [f"{part / 10:g}" for part in range(11)]
    assert len({(point.first, point.second) for point in front.points}) > 5
    assert [other.name for other in front.others] == ["sasrec"]
    page = (Path(aimed.outputs(0)["draw report"]["report"]["path"]) / "report.html").read_text()
    assert "Other preferences" in page
    assert f"multitron (aims at {PREFERENCE})" in page
    for point in front.points:
        assert f"view {float(point.name):g}, buy {1 - float(point.name):g}" in page
        assert f"{point.first:.4f}" in page


def test_another_preference_does_anew_exactly_what_hangs_on_it(
    aimed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in aimed.environ.items():
        monkeypatch.setenv(name, value)

    def anew(**asked: str) -> set[str]:
        request = cycle_request(
            source=str(aimed.data), mapping=MAP, preset="quick", train_cutoff=CUT, as_of=END,
            event_weights="none", **asked,
        )  # fmt: skip
        told = as_dict(plan_cycle(request))
        return {stage["stage"] for stage in told["stages"] if stage["lot"] != "reused"}

    hanging = {"train multitron", "bundle", "rank multitron", "measure front multitron", "draw report"}
    kept = {"training rows", "train sasrec", "rank sasrec", "count popularity"}
    assert anew(challenger="multitron", preference="view=.2,buy=.8") == set()
    for preference in ("buy=1", ""):
        found = anew(challenger="multitron", preference=preference)
        assert hanging <= found
        assert not kept & found
    plain = anew(challenger="sasrec")
    assert "training rows" in plain
    assert not any("front" in stage for stage in plain)


def test_what_it_was_trained_with_is_found_again(aimed: Home) -> None:
    done = aimed.recloop("verify", "--version", "1", "--retrain", "--json")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    found = {finding["stage"]: finding["verdict"] for finding in json.loads(done.stdout)["findings"]}
    assert (found["training set, made again"], found["arm, trained again"]) == ("same", "same")


def test_a_warm_start_is_from_weights_of_the_same_types(aimed: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aimed.environ.items():
        monkeypatch.setenv(name, value)
    champion = incumbent("1", ArtifactRef(**aimed.outputs(0)["bundle"]["bundle"]))
    assert champion.preference == PREFERENCE
    train = TypeAdapter(Snapshots).validate_python(aimed.outputs(0)["take snapshots"]).train
    nothing = ArtifactRef(kind="tokenizer", digest="not read", path="")

    def told(weights: str) -> str:
        request = cycle_request(
            source=str(aimed.data), mapping=MAP, preset="quick", train_cutoff=CUT, as_of=END,
            challenger="multitron", warm_start=True, event_weights=weights,
        )  # fmt: skip
        return beginning_of(settle_cycle(request), champion, nothing, nothing, train).told

    assert told("none").startswith("weights begin at version 1")
    assert told("view=0").endswith("has buy, view as objectives, and there are buy now")


def test_a_version_says_what_it_aims_at(aimed: Home) -> None:
    assert aimed.version_tags()["1"]["recloop.preference"] == PREFERENCE


def test_a_type_that_is_not_there_is_told_with_those_that_are(aimed: Home) -> None:
    snapshots = TypeAdapter(Snapshots).validate_python(aimed.outputs(0)["take snapshots"])

    def check(preference: str, weights: str = "none", challenger: str = "multitron") -> str:
        with console.capture() as said:
            check_preference(
                snapshots,
                cycle_request(challenger=challenger, preference=preference, event_weights=weights),  # type: ignore[arg-type]
            )
        return " ".join(said.get().split())

    assert check(PREFERENCE) == check("", challenger="sasrec") == ""
    with pytest.raises(
        BadRequest, match=r"preference names 'sale', and no .*There are: buy [\d,]+, view [\d,]+"
    ):
        check("sale=1,buy=2")
    with pytest.raises(BadRequest, match=r"'view', and no .*There are: buy [\d,]+$"):
        check("view=1", "view=0")
    assert "all training targets are of type buy: multitron has one objective, and is sasrec" in check(
        "", "view=0"
    )
