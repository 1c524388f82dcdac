"""A finished cycle is told again as long as nothing it depends on has changed, and hands on what it made."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from components.artifact import ArtifactDamaged, ArtifactRef, publish
from components.data.alpha import spend_alpha
from components.data.batch_digest import batch_digest
from components.data.chain import LedgerBroken
from components.data.cycles import cycles
from flows.cycle import open_cycle
from flows.cycle_parts import OpenedCycle, opened_with
from flows.ingest import CheckedBatch
from flows.record import CarriedIds, carried_into, finished_cycle, keep_cycle, read_record
from flows.request import BadRequest, CycleRequest
from flows.settled import SettledCycle, settle_cycle
from flows.stage_code import StageCode, code_of
from flows.summary import ArmFigure, CycleSummary, StageFigure
from flows.warehouse import warehouse
from tests.data.test_chain import behind

LAST = datetime(2024, 3, 2, 15, tzinfo=UTC)
TOLD = CycleSummary(
    cycle_id="c", source="shop", as_of=LAST.isoformat(), train_cutoff=LAST.isoformat(), received=40, accepted=39,
    quarantined=1, duplicates=0, quarantine_reasons={"naive_timestamp": 1}, train_events=20, window_users=3,
    window_requests=9, verdict="HOLD", reasons=("no difference found",), version="1", champion_before=None,
    champion_after=None, tokenizer="t", tokenizer_reused=False, new_ids=5,
    arms=(ArmFigure(arm="mmgrec", role="challenger", ndcg=0.1, ndcg_low=0.05, ndcg_high=0.15, hit_rate=0.2,
                    challenger_lead=None, lead_low=None, lead_high=None),),
    stages=(StageFigure(stage="judge", seconds=3.0, peak_mb=10.0, reused=False, computes=True),
            StageFigure(stage="register", seconds=1.0, peak_mb=10.0, reused=False, computes=False)),
    seconds=5.0, addresses={"replay report": "r.html"},
)  # fmt: skip


@pytest.fixture
def cycle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SettledCycle:
    monkeypatch.setenv("RECLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECLOOP_WAREHOUSE_URL", f"sqlite:///{tmp_path}/warehouse.db")
    folder = tmp_path / "shop"
    folder.mkdir()
    times = [(LAST - timedelta(hours=hours)).isoformat() for hours in range(40)]
    pd.DataFrame({"user_id": "u", "item_id": "i", "timestamp": times}).to_csv(
        folder / "events.csv", index=False
    )
    pd.DataFrame({"item_id": ["i"], "title": ["I"]}).to_csv(folder / "items.csv", index=False)
    return settle_cycle(CycleRequest(source=str(folder), train_cutoff=LAST - timedelta(days=1)))


def test_a_broken_ledger_of_alpha_stops_a_cycle_before_it_trains(cycle: SettledCycle, tmp_path: Path):
    spend_alpha(warehouse(), window="w", challenger="a", shares=(0.01,), profile="p")
    behind(warehouse(), "UPDATE alpha_ledger SET profile = 'q'")
    batch = made(tmp_path, "checked_batch")
    checked = CheckedBatch(
        batch=batch, received_digest="r", data_docs="", num_events=1, num_items=1, num_bad=0
    )
    with pytest.raises(LedgerBroken, match="ledger alpha_ledger is broken"):
        open_cycle.fn(cycle, checked)


def made(root: Path, kind: str) -> ArtifactRef:
    def write(folder: Path) -> None:
        (folder / "x").write_text(kind)

    return publish(root, kind, write, parents={}, config={})


def keep(cycle: SettledCycle, root: Path, code: StageCode) -> CarriedIds:
    carried = CarriedIds(
        encoders=made(root, "feature_set"), tokenizer=made(root, "tokenizer"), ids=made(root, "id_table")
    )
    keep_cycle(
        cycle, TOLD, received=batch_digest(cycle.batch.read()), carried=carried, bundle=made(root, "bundle"),
        codes=[code],
    )  # fmt: skip
    return carried


def test_a_finished_cycle_is_told_again_word_for_word(cycle: SettledCycle, tmp_path: Path) -> None:
    assert finished_cycle(cycle) is None
    keep(cycle, tmp_path, code_of("flows.ingest", "land"))
    assert finished_cycle(cycle) == TOLD
    assert TOLD.engine_seconds == 2.0  # all that is not the judge's three seconds
    again = TOLD.all_reused()
    assert (again.seconds, [stage.reused for stage in again.stages]) == (0.0, [True, True])


def test_it_is_not_when_code_batch_or_bundle_changed(cycle: SettledCycle, tmp_path: Path) -> None:
    keep(cycle, tmp_path, StageCode(definitions={"flows.ingest:land": "of another day"}, files={}))
    assert finished_cycle(cycle) is None
    keep(cycle, tmp_path, code_of("flows.ingest", "land"))
    bundle = Path(made(tmp_path, "bundle").path)
    (bundle / "x").write_text("damaged")
    with pytest.raises(ArtifactDamaged, match="bundle"):
        finished_cycle(cycle)
    shutil.rmtree(bundle)  # as the message says: the next run makes it anew
    assert finished_cycle(cycle) is None
    made(tmp_path, "bundle")
    assert finished_cycle(cycle) == TOLD
    events = Path(cycle.request.source) / "events.csv"
    events.write_text(events.read_text() + f"u2,i,{LAST.isoformat()}\n")
    assert finished_cycle(cycle) is None


def test_the_latest_earlier_cycle_is_carried_on(cycle: SettledCycle, tmp_path: Path) -> None:
    assert carried_into(cycle) is None
    carried = keep(cycle, tmp_path, code_of("flows.ingest", "land"))
    assert carried_into(cycle) is None  # itself is not earlier
    later = settle_cycle(cycle.request.model_copy(update={"as_of": cycle.as_of + timedelta(days=1)}))
    assert carried_into(later) == carried


def opened_after(cycle: SettledCycle, kept: CarriedIds, **asked: Any) -> OpenedCycle:
    """What a cycle a day later carries on of one that left `kept`."""
    keep_cycle(
        cycle, TOLD, received="r", carried=kept, bundle=ArtifactRef(kind="bundle", digest="b", path=""), codes=[]
    )  # fmt: skip
    later = cycle.request.model_copy(update=asked)
    return opened_with(replace(cycle, request=later, as_of=cycle.as_of + timedelta(days=1)), None)


NOWHERE = ArtifactRef(kind="any", digest="d" * 64, path="")
BY_FSQ = CarriedIds(encoders=NOWHERE, tokenizer=NOWHERE, ids=NOWHERE, name="fsq")


@pytest.mark.parametrize(
    ("asked", "carries", "name"),
    [
        ({}, True, "fsq"),
        ({"tokenizer": "reuse"}, True, "fsq"),
        ({"tokenizer": "reuse", "tokenizer_name": "fsq"}, True, "fsq"),
        ({"tokenizer": "refit"}, False, "fsq"),
        ({"tokenizer_name": "product"}, False, "product"),
        ({"tokenizer": "refit", "tokenizer_name": "product"}, False, "product"),
    ],
)
def test_a_tokenizer_is_the_one_before_unless_another_is_named(
    cycle: SettledCycle, asked: dict[str, Any], carries: bool, name: str
) -> None:
    opened = opened_after(cycle, BY_FSQ, **asked)
    assert (opened.carried == BY_FSQ, opened.tokenizer_name) == (carries, name)
    assert opened.previous_ids == NOWHERE


def test_ids_that_another_tokenizer_made_are_not_kept_under_its_name(cycle: SettledCycle) -> None:
    with pytest.raises(BadRequest, match=r"made by fsq, and are to be kept while product is asked for"):
        opened_after(cycle, BY_FSQ, tokenizer="reuse", tokenizer_name="product")


def test_what_was_carried_on_before_there_was_a_choice_was_made_by_the_default(cycle: SettledCycle) -> None:
    """A record without the name, as releases before wrote it."""
    opened_after(cycle, BY_FSQ)
    [kept] = cycles(warehouse())
    carried = {role: ref for role, ref in kept.summary["carried"].items() if role != "name"}
    assert read_record(kept).carried.name == "fsq"
    before = replace(kept, summary={**kept.summary, "carried": carried})
    assert read_record(before).carried.name == "graph_rqvae"
