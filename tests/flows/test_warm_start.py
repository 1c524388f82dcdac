"""`retrain --warm-start` on a home with a champion, and what keeps a training from beginning at its weights."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from components.artifact import ArtifactRef
from components.data.schema import superseded
from components.data.warehouse import writing
from components.evaluation.contenders import Incumbent
from components.registry.bundle import BundleFacts, open_bundle
from components.registry.warm_start import WarmStart
from flows.cli.plan import as_dict
from flows.cli.summary_box import summary_box
from flows.local.console import console
from flows.planning import plan_cycle
from flows.request import cycle_request
from flows.settled import settle_cycle
from flows.summary import CycleSummary
from flows.warehouse import warehouse
from flows.warm_start import Beginning, beginning_of
from tests.flows.conftest import Estate
from tests.flows.test_planning import RETRAIN, last_cycle, lots
from tests.flows.worlds import ROOT, Home

ANEW = {
    "open cycle", "choose start", "train mmgrec", "bundle", "rank mmgrec", "judge", "draw report", "register",
    "promote",
}  # fmt: skip


@dataclass(frozen=True)
class Warmed:
    """A home whose champion is of the world's first cycle, after the second one with a warm start."""

    home: Home
    settings: dict[str, str]
    planned: dict[str, Any]  # before it ran
    told: dict[str, Any]

    @property
    def champion(self) -> Incumbent:
        """Who was champion when the second cycle began."""
        champion = self.home.outputs(1)["open cycle"]["champion"]
        return TypeAdapter(Incumbent).validate_python(champion)


@pytest.fixture(scope="module")
def warmed(estate: Estate, finished: Home, world: Path) -> Warmed:
    """The finished home's stages under another model's name: only what a warm start changes is made."""
    home = estate.home("warmed", world)
    home.settings.home.mkdir(parents=True)
    artifacts = finished.settings.artifacts
    shutil.copytree(
        artifacts, home.settings.artifacts, copy_function=os.link
    )  # for who looks there by digest
    source = sqlite3.connect(finished.settings.home / "warehouse.db")
    copied = sqlite3.connect(home.settings.home / "warehouse.db")
    with copied:
        source.backup(copied)
        copied.execute("DELETE FROM cycles")
    source.close()
    copied.close()
    shared = {
        "RECLOOP_FEAST_HOME": str(finished.settings.feast_home),
        "RECLOOP_GX_ROOT": str(finished.settings.gx_root),
    }
    [(as_of, cut), _] = finished.rows("SELECT as_of, train_cutoff FROM cycles ORDER BY as_of")
    end, start = (datetime.fromtimestamp(micros / 1e6, UTC) for micros in (as_of, cut))
    first = {"source": str(home.data), "as_of": end, "train_cutoff": start, "preset": "quick"}
    second = last_cycle(finished) | {"warm_start": True}
    _run(home, first, shared)
    planned = _planned(home, second, shared)
    _run(home, second, shared)
    return Warmed(home, shared, planned, _told(home))


def _run(home: Home, asked: dict[str, Any], settings: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RETRAIN, cycle_request(**asked).model_dump_json()],
        cwd=ROOT, env=home.environ | settings, check=False, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def _planned(home: Home, asked: dict[str, Any], settings: dict[str, str]) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (home.environ | settings).items():
            patched.setenv(name, value)
        return as_dict(plan_cycle(cycle_request(**asked)))


def _told(home: Home) -> dict[str, Any]:
    (summary,) = home.rows("SELECT summary FROM cycles ORDER BY recorded_at DESC LIMIT 1")
    return json.loads(summary[0])["told"]  # type: ignore[no-any-return]


BEGUN = "weights begin at version 1, 1 of 3 epochs, first warm start since the cold version 1"


def test_exactly_what_hangs_on_the_start_is_planned_and_made(warmed: Warmed) -> None:
    ran = {stage["stage"]: stage["reused"] for stage in warmed.told["stages"]}
    assert {stage for stage, reused in ran.items() if not reused} == ANEW
    assert {stage: lot == "reused" for stage, lot in lots(warmed.planned).items()} == ran


def test_everybody_is_told_where_training_began(warmed: Warmed) -> None:
    """Box, version, card, report, arm and bundle."""
    outputs = warmed.home.outputs(1)
    assert warmed.told["start_note"] == outputs["choose start"]["told"] == BEGUN
    with console.capture() as said:
        console.print(summary_box("cycle", TypeAdapter(CycleSummary).validate_python(warmed.told)))
    assert "start     weights begin at version 1, 1 of 3 epochs" in said.get()
    tags = warmed.home.version_tags()
    assert tags["2"]["recloop.start"] == BEGUN
    assert tags["2"]["recloop.warm_start"] == tags["1"]["recloop.bundle"]
    assert tags["2"]["recloop.warm_start_version"] == "1"
    assert not {name for name in tags["1"] if "start" in name and name != "recloop.started_by"}
    card = warmed.home.mlflow.get_model_version(warmed.home.settings.model_name, "2").description
    assert f"| recloop.start | `{BEGUN}` |" in card
    report = (Path(outputs["draw report"]["report"]["path"]) / "report.html").read_text()
    assert f"<dt>Training</dt><dd>{BEGUN}<small>" in report
    arm = json.loads((Path(outputs["train mmgrec"]["arm"]["path"]) / "manifest.json").read_text())
    assert arm["parents"]["start"] == tags["1"]["recloop.bundle"]
    assert outputs["train mmgrec"]["told"].startswith("warm start, ")
    facts = open_bundle(outputs["bundle"]["bundle"]["path"]).facts
    assert facts.warm_start is not None
    assert (facts.warm_start.version, facts.warm_start.length) == ("1", 1)


def test_the_lineage_names_where_it_began_and_the_version_can_be_made_again(warmed: Warmed) -> None:
    found = warmed.home.recloop("lineage", "--version", "2", **warmed.settings, COLUMNS="200")
    assert f"warm start {warmed.champion.bundle.digest}  the weights of version 1" in found.stdout
    done = warmed.home.recloop("verify", "--version", "2", "--retrain", "--json", **warmed.settings)
    verdicts = {finding["stage"]: finding["verdict"] for finding in json.loads(done.stdout)["findings"]}
    assert verdicts["arm, trained again"] == "same", done.stdout
    assert verdicts["start, version 1"] == verdicts["tags"] == "same"


@dataclass(frozen=True)
class Asked:
    """`beginning_of`, in the warmed home, for the second cycle with some things changed."""

    warmed: Warmed

    def told(self, *, champion: Incumbent | None, tokenizer: str | None = None, **changed: Any) -> str:
        return self.beginning(champion=champion, tokenizer=tokenizer, **changed).told

    def beginning(
        self, *, champion: Incumbent | None, tokenizer: str | None = None, **changed: Any
    ) -> Beginning:
        asked = last_cycle(self.warmed.home) | {"warm_start": True, "source": str(self.warmed.home.data)}
        cycle = settle_cycle(cycle_request(**asked | changed))
        digest = tokenizer or self.warmed.champion.tokenizer
        assert digest is not None
        tokenizer_of, encoders = (
            ArtifactRef(kind=kind, digest=digest, path="") for kind in ("tokenizer", "feature_set")
        )
        snapshot = ArtifactRef(
            kind="snapshot", digest=digest, path=""
        )  # its types are no business of the arm's
        return beginning_of(cycle, champion, tokenizer_of, encoders, snapshot)


@pytest.fixture
def asked(warmed: Warmed, monkeypatch: pytest.MonkeyPatch) -> Asked:
    for name, value in (warmed.home.environ | warmed.settings).items():
        monkeypatch.setenv(name, value)
    return Asked(warmed)


def test_what_keeps_a_training_from_beginning_there_is_named(asked: Asked) -> None:
    champion, cut = asked.warmed.champion, datetime.fromisoformat(asked.warmed.told["train_cutoff"])
    named = "cold start, since the champion, version 1,"
    assert asked.told(champion=champion) == BEGUN
    assert asked.told(champion=None) == "cold start, since there is no champion yet"
    assert "ease is solved from the events" in asked.told(champion=champion, challenger="ease")
    assert asked.told(champion=champion, challenger="sasrec") == f"{named} is mmgrec, not sasrec"
    later = replace(champion, train_end=cut + timedelta(hours=1))
    assert asked.told(champion=later).endswith("its weights have seen the window")
    assert (
        asked.told(champion=champion, tokenizer="0" * 64) == f"{named} reads the codes of another tokenizer"
    )
    assert asked.told(champion=champion, preset="default") == (
        f"{named} is of another shape: its mixer.dim is 32, this preset's 64"
    )


def test_of_several_challengers_the_one_of_the_champions_arm_begins_there(asked: Asked) -> None:
    champion, several = asked.warmed.champion, {"challenger": "hstu", "more_challengers": ("mmgrec",)}
    begun = asked.beginning(champion=champion, **several)
    assert (begun.arm, begun.told, begun.of("mmgrec")) == ("mmgrec", BEGUN, begun)
    cold = begun.of("hstu")
    assert (cold.champion, cold.warm) == (None, None)
    assert cold.told == "cold start, since there is no champion of hstu to begin at"
    alone = asked.beginning(champion=champion)
    assert (alone.arm, alone.of("mmgrec")) == ("", alone)


def test_who_was_erased_is_not_carried_on(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a copy of the warehouse, in which another snapshot has taken the place of the champion's."""
    shutil.copy(asked.warmed.home.settings.home / "warehouse.db", tmp_path / "warehouse.db")
    monkeypatch.setenv("RECLOOP_WAREHOUSE_URL", f"sqlite:///{tmp_path}/warehouse.db")
    champion = asked.warmed.champion
    row = {
        "digest": open_bundle(champion.bundle.path).facts.snapshot, "kind": "snapshot", "successor": "0" * 64,
        "why": "erasure", "at": 0,
    }  # fmt: skip
    with writing(warehouse(), "a supersession") as connection:
        columns = {column.name for column in superseded.columns}
        connection.execute(superseded.insert(), {name: row[name] for name in columns & row.keys()})
    assert asked.told(champion=champion).endswith("version 1, learned from a user who was erased since")


def test_a_chain_counts_from_its_cold_version(asked: Asked) -> None:
    outputs = asked.warmed.home.outputs(1)
    second = replace(asked.warmed.champion, version="2", bundle=ArtifactRef(**outputs["bundle"]["bundle"]))
    assert asked.told(champion=second) == (
        "weights begin at version 2, 1 of 3 epochs, chain of 2 warm starts since the cold version 1"
    )


def test_what_cannot_begin_there_is_the_cold_training_under_its_own_key(asked: Asked) -> None:
    """Who stands beside the challenger, sasrec, was trained cold: as challenger it is not trained again."""
    request = last_cycle(asked.warmed.home) | {"source": str(asked.warmed.home.data), "challenger": "sasrec"}
    lot = lots(as_dict(plan_cycle(cycle_request(**request, warm_start=True))))
    assert lot["train sasrec"] == "reused"
    assert lot["choose start"] == "runs"
    assert "choose start" not in lots(as_dict(plan_cycle(cycle_request(**request))))


def test_a_cold_bundle_says_what_it_said_before_there_were_others(warmed: Warmed, finished: Home) -> None:
    """The first cycle's bundle, arm and key are those of the finished home, where nobody spoke of a start."""
    assert warmed.home.version_tags()["1"]["recloop.bundle"] == finished.version_tags()["1"]["recloop.bundle"]
    facts = json.loads((Path(warmed.champion.bundle.path) / "bundle.json").read_text())
    assert "warm_start" not in facts
    read = BundleFacts.from_dict(facts)
    assert read.to_dict() == facts
    link = WarmStart(bundle="b", version="3", cold_version="1", length=2, epochs=3, cold_epochs=12)
    assert BundleFacts.from_dict(replace(read, warm_start=link).to_dict()).warm_start == link
