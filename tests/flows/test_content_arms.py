"""A challenger that reads what items are: planned, trained, told of cold and of new items, made again, tuned."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from components.artifact import ArtifactRef, publish
from components.evaluation.profile import small
from components.registry.bundle import open_bundle
from components.serving.new_items import read_new_items
from components.serving.scorer import load_scorer
from flows.asking import Undecided, Unknown
from flows.new_items import identify_new
from flows.release import incumbent
from flows.replay_window import ReplayWindow
from flows.request import cycle_request
from flows.settled import settle_cycle
from flows.snapshots import Snapshots
from flows.warm_start import beginning_of
from tests.flows.conftest import Estate
from tests.flows.test_new_item_share import first_cycle_to_come
from tests.flows.test_planning import last_cycle, lots, planned
from tests.flows.worlds import Home

ARM = "hstu_text"


@dataclass(frozen=True)
class Challenged:
    """A home whose one cycle is the world's first, with this challenger; what does not hang on it was there before."""

    home: Home
    settings: dict[str, str]
    plan: dict[str, Any]
    outputs: dict[str, dict[str, Any]]  # by stage, whoever made them


@pytest.fixture(scope="module")
def challenged(estate: Estate, finished: Home, world: Path) -> Challenged:
    home = estate.home("content", world)
    settings, moments = first_cycle_to_come(home, finished)
    plan = planned(
        home, {"source": str(home.data), "preset": "quick", "challenger": ARM, **moments}, **settings
    )
    done = home.recloop(
        "retrain", "--source", str(home.data), "--preset", "quick", "--challenger", ARM,
        *(word for name, moment in moments.items() for word in (f"--{name.replace('_', '-')}", moment.isoformat())),
        **settings,
    )  # fmt: skip
    assert done.returncode in (0, 3), f"{done.stdout}\n{done.stderr}"
    return Challenged(home, settings, plan, finished.outputs(0) | home.outputs(0))


def test_what_is_planned_runs_and_the_other_trainings_stay(challenged: Challenged) -> None:
    """Item vectors come with the training rows, so that no other arm's training asks for more than it did."""
    (summary,) = challenged.home.rows("SELECT summary FROM cycles")
    ran = {stage["stage"] for stage in json.loads(summary[0])["told"]["stages"] if not stage["reused"]}
    foreseen = lots(challenged.plan)  # of a batch that is not landed nobody knows what hangs on it
    assert ran <= {stage for stage, lot in foreseen.items() if lot != "reused"}
    assert foreseen.keys() >= ran | {"encode items", "train sasrec"}
    assert {f"train {ARM}", "bundle", "identify cold items", f"rank {ARM}"} <= ran
    assert not ran & {"encode items", "training rows", "fit tokenizer", "train sasrec"}


def test_the_bundle_reads_content_and_no_ids(challenged: Challenged) -> None:
    bundle = open_bundle(challenged.outputs["bundle"]["bundle"]["path"])
    assert (bundle.facts.arm, bundle.facts.tokenizer, bundle.facts.id_table) == (ARM, None, None)
    saved = json.loads((bundle.arm_path / "arm.json").read_text())["config"]
    encoders = json.loads(
        (Path(challenged.outputs["encode items"]["feature_set"]["path"]) / "manifest.json").read_text()
    )["config"]["encoders"]
    assert saved["content_space"] == " ".join(f"{name}={encoders[name]}" for name in sorted(encoders))
    assert {"image", "text"} <= encoders.keys()


def test_it_is_told_of_the_windows_cold_items_and_sasrec_is_not(challenged: Challenged) -> None:
    outputs = challenged.outputs
    window = ReplayWindow(
        snapshots=TypeAdapter(Snapshots).validate_python(outputs["take snapshots"]), profile=small(),
        mode="rolling", filter_seen=True, cold_ids=ArtifactRef(**outputs["identify cold items"]["ids"]),
    )  # fmt: skip
    plan, cold = window.plan(), window.cold()
    assert cold is not None
    came = np.flatnonzero(cold.candidates & ~plan.candidates)
    listed = {
        arm: np.isin(np.load(Path(outputs[f"rank {arm}"]["lists"]["path"]) / "cold_lists.npy"), came)
        for arm in (ARM, "sasrec")
    }
    assert listed[ARM].any()
    assert not listed["sasrec"].any()


def test_it_is_trained_again_to_the_byte(challenged: Challenged) -> None:
    done = challenged.home.recloop("verify", "--version", "1", "--retrain", "--json", **challenged.settings)
    found = {finding["stage"]: finding["verdict"] for finding in json.loads(done.stdout)["findings"]}
    assert found["arm, trained again"] == "same", done.stdout


def test_items_that_come_later_are_listed_by_what_they_are(
    challenged: Challenged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the window, for a version that was trained before it: encoded as the items of its training were."""
    for name, value in (challenged.home.environ | challenged.settings).items():
        monkeypatch.setenv(name, value)
    bundle = ArtifactRef(**challenged.outputs["bundle"]["bundle"])
    now = TypeAdapter(Snapshots).validate_python(challenged.outputs["take snapshots"]).now
    told = identify_new.fn("by hand", bundle, now).output
    assert told.ids is not None
    assert told.num_identified == told.num_new > 0
    new = read_new_items(told.ids)
    asked = pd.DataFrame({"user_id": ["u"], "item_ids": [[]]})
    before, after = (
        set(load_scorer(bundle.path, new=one).recommend(asked, k=500)["item_id"]) for one in (None, new)
    )
    assert after - before == set(new.item_ids)


def test_a_study_reads_the_content_that_the_cycle_did(challenged: Challenged, finished: Home) -> None:
    """Judged on the cycle's own window, the preset is worth what the replay found."""
    rows = finished.rows("SELECT train_cutoff, as_of FROM cycles ORDER BY as_of")
    first, second, end = (
        datetime.fromtimestamp(micros / 1e6, UTC).isoformat()
        for micros in (rows[0][0], rows[1][0], rows[1][1])
    )
    done = challenged.home.recloop(
        "tune", "--source", str(challenged.home.data), "--preset", "quick", "--arm", ARM, "--trials", "2", "--json",
        "--train-cutoff", second, "--as-of", end, "--validate-from", first, **challenged.settings,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    means = {(one["arm"], one["metric"]): one["mean"] for one in challenged.home.evidence(0)["arms"]}
    assert json.loads(done.stdout)["trials"][0]["value"] == pytest.approx(means[ARM, "ndcg@10"], abs=1e-12)


def test_a_warm_start_asks_for_the_same_encoders(
    challenged: Challenged, finished: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in (challenged.home.environ | challenged.settings).items():
        monkeypatch.setenv(name, value)
    asked = last_cycle(finished) | {
        "source": str(challenged.home.data),
        "challenger": ARM,
        "warm_start": True,
    }
    cycle = settle_cycle(cycle_request(**asked))
    champion = incumbent("1", ArtifactRef(**challenged.outputs["bundle"]["bundle"]))
    tokenizer, own = (
        ArtifactRef(**challenged.outputs[stage][part])
        for stage, part in (("fit tokenizer", "tokenizer"), ("encode items", "feature_set"))
    )
    others = publish(
        tmp_path, "feature_set", lambda folder: None, parents={}, config={"encoders": {"text": "other/1"}}
    )
    snapshot = ArtifactRef(kind="snapshot", digest="of no type", path="")
    told = [beginning_of(cycle, champion, tokenizer, encoders, snapshot).told for encoders in (own, others)]
    assert told[0].startswith("weights begin at version 1")
    with pytest.raises(Undecided):  # in a plan whose tokenizer is still to be fitted
        beginning_of(cycle, champion, tokenizer, cast(ArtifactRef, Unknown("encode items")), snapshot)
    assert told[1] == "cold start, since the champion, version 1, reads the content of other encoders"
