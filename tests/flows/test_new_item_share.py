"""`retrain --new-items`: the share is in the lists that are replayed, in the bundle, and in what serves it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from components.artifact import ArtifactRef
from components.data import snapshot
from components.evaluation.contenders import WITHOUT_SHARE
from components.evaluation.profile import small
from components.registry import tracking, versions
from components.serving.loaded import History, loaded_version
from components.serving.new_items import NewItems
from components.serving.ranking import Query, rank
from components.serving.scorer import load_scorer
from components.tokenizer.id_table import read_id_table
from flows.cli.summary_box import summary_box
from flows.local.console import console
from flows.replay_window import ReplayWindow
from flows.request import cycle_request
from flows.snapshots import Snapshots
from flows.summary import CycleSummary
from tests.flows.conftest import Estate
from tests.flows.test_planning import RETRAIN
from tests.flows.worlds import ROOT, Home

ANEW = {
    "train mmgrec", "bundle", "rank mmgrec", f"rank {WITHOUT_SHARE}", "judge", "draw report", "register", "promote",
}  # fmt: skip
BATCH = {"check batch", "land batch", "open cycle"}  # of this home alone
SHARE = 0.3  # in a catalogue of 60 items new ones have a tenth by themselves


@dataclass(frozen=True)
class Shared:
    """A home whose one cycle is the world's first, with a share for new items; what was shared is reused."""

    home: Home
    settings: dict[str, str]
    told: dict[str, Any]


def first_cycle_to_come(home: Home, finished: Home) -> tuple[dict[str, str], dict[str, datetime]]:
    """A home where the world's first cycle is still to come, and all that `finished` made of it is there; settings for
    it, and the cycle's two moments.
    """
    home.settings.home.mkdir(parents=True)
    shutil.copytree(finished.settings.artifacts, home.settings.artifacts, copy_function=os.link)
    source = sqlite3.connect(finished.settings.home / "warehouse.db")
    copied = sqlite3.connect(home.settings.home / "warehouse.db")
    with copied:
        source.backup(copied)
        copied.execute("DELETE FROM cycles")
    source.close()
    copied.close()
    settings = {
        "RECLOOP_FEAST_HOME": str(finished.settings.feast_home),
        "RECLOOP_GX_ROOT": str(finished.settings.gx_root),
    }
    (row,) = finished.rows("SELECT as_of, train_cutoff FROM cycles ORDER BY as_of LIMIT 1")
    moments = (datetime.fromtimestamp(micros / 1e6, UTC) for micros in row)
    return settings, dict(zip(("as_of", "train_cutoff"), moments, strict=True))


@pytest.fixture(scope="module")
def shared(estate: Estate, finished: Home, world: Path) -> Shared:
    home = estate.home("new-items", world)
    settings, moments = first_cycle_to_come(home, finished)
    asked = cycle_request(source=str(home.data), **moments, preset="quick", new_items=SHARE)
    done = subprocess.run(
        [sys.executable, "-c", RETRAIN, asked.model_dump_json()],
        cwd=ROOT, env=home.environ | settings, check=False, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    (summary,) = home.rows("SELECT summary FROM cycles")
    return Shared(home, settings, json.loads(summary[0])["told"])


def test_what_hangs_on_the_share_is_made_and_all_else_reused(shared: Shared) -> None:
    ran = {stage["stage"]: stage["reused"] for stage in shared.told["stages"]}
    assert {stage for stage, reused in ran.items() if not reused} - BATCH == ANEW
    arm = json.loads(
        (Path(shared.home.outputs(0)["train mmgrec"]["arm"]["path"]) / "manifest.json").read_text()
    )
    assert arm["config"]["new_items"] == {"share": SHARE, "exclude_seen": True}


def test_evidence_box_and_report_say_what_it_brought_and_cost(shared: Shared) -> None:
    found = shared.home.evidence(0)["new_items"]
    assert found["places"] > found["places_without"]
    assert found["recall"] > found["recall_without"]
    assert found["others"]["delta"] < 0, "what new items take is taken from somebody"
    with console.capture() as said:
        console.print(summary_box("cycle", TypeAdapter(CycleSummary).validate_python(shared.told)))
    assert f"new items {found['places']:.1%} of places" in said.get()
    assert "NDCG@10 of other items" in said.get()
    report = Path(shared.home.outputs(0)["draw report"]["report"]["path"]) / "report.html"
    assert "New items, which have no event before the cut" in report.read_text()


def test_batch_and_online_lists_are_those_that_were_replayed(
    shared: Shared, finished: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pass for new items, asked of the registered bundle in the source's ids, told of the items that came."""
    for name, value in (shared.home.environ | shared.settings).items():
        monkeypatch.setenv(name, value)
    outputs, settings = finished.outputs(0) | shared.home.outputs(0), shared.home.settings
    replayed, plain = (
        np.load(Path(outputs[f"rank {arm}"]["lists"]["path"]) / "cold_lists.npy")
        for arm in ("mmgrec", WITHOUT_SHARE)
    )
    assert (replayed != plain).any()
    window = ReplayWindow(
        snapshots=TypeAdapter(Snapshots).validate_python(outputs["take snapshots"]), profile=small(),
        mode="rolling", filter_seen=True, cold_ids=ArtifactRef(**outputs["identify cold items"]["ids"]),
    )  # fmt: skip
    plan, cold = window.plan(), window.cold()
    assert cold is not None
    new = _came(window, set(plan.catalogue[cold.candidates & ~plan.candidates]), outputs["bundle"]["bundle"])
    wanted = [[str(plan.catalogue[item]) for item in places if item >= 0] for places in replayed]
    asked = [
        History(item_ids=plan.catalogue[plan.items[own]].tolist(), times=plan.times[own].tolist())
        for own in (slice(plan.start[request], plan.end[request]) for request in cold.requests)
    ]
    tracking.configure(settings.mlflow_tracking_uri)
    version = loaded_version(
        versions.get_version(settings.model_name, "1"), outputs["bundle"]["bundle"]["path"], new=new,
        available_since={},
    )  # fmt: skip
    query = Query(k=replayed.shape[1], exclude_seen=True)
    online = rank(version, [(history, query) for history in asked])
    assert [[place.item_id for place in places] for places in online] == wanted
    frame = pd.DataFrame(
        {
            "user_id": [str(row) for row in range(len(asked))],
            "item_ids": [history.item_ids for history in asked],
            "times": [history.times for history in asked],
        }
    )
    scorer = load_scorer(outputs["bundle"]["bundle"]["path"], new=new)
    batch = scorer.recommend(frame, k=replayed.shape[1])
    assert [batch[batch["user_id"] == user]["item_id"].tolist() for user in frame["user_id"]] == wanted


def _came(window: ReplayWindow, items: set[str], bundle: dict[str, str]) -> NewItems:
    """What `recloop score` would tell the bundle of these items."""
    assert window.cold_ids is not None
    table = read_id_table(window.cold_ids)
    told = np.isin(table.item_ids.astype(str), sorted(items))
    assert told.sum() == len(items) > 0
    described = snapshot.read_items(window.snapshots.window).set_index("item_id").loc[table.item_ids[told]]
    return NewItems(
        digest="", bundle=bundle["digest"], item_ids=table.item_ids[told], codes=table.codes[told],
        items=described.reset_index(),
    )  # fmt: skip


def test_the_version_can_be_trained_again_to_the_byte(shared: Shared) -> None:
    done = shared.home.recloop("verify", "--version", "1", "--retrain", "--json", **shared.settings)
    verdicts = {finding["stage"]: finding["verdict"] for finding in json.loads(done.stdout)["findings"]}
    assert verdicts["arm, trained again"] == "same", done.stdout
