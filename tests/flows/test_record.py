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
from components.data.ledger import append_promotion
from flows.backfill import BackfillRequest, by_this_homes_tokenizer
from flows.carried import CarriedIds, carried_into
from flows.cycle import open_cycle
from flows.cycle_parts import OpenedCycle, opened_with
from flows.ingest import CheckedBatch
from flows.record import finished_cycle, keep_cycle, put_back_carried, read_record
from flows.request import BadRequest, CycleRequest
from flows.settings import load_settings
from flows.settled import SettledCycle, settle_cycle
from flows.stage_code import StageCode, code_of
from flows.summary import ArmFigure, ChallengerBeside, CycleSummary, StageFigure
from flows.tuning_window import next_cycle, tokenizer_to_fit
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


def test_of_several_challengers_every_bundle_is_kept_by_its_version(
    cycle: SettledCycle, tmp_path: Path
) -> None:
    """A cycle whose other bundle was cleared away is not told again: the next run makes it anew."""
    ease = ChallengerBeside(arm="ease", version="7", verdict="HOLD", reason="r")
    bundle, other = made(tmp_path, "bundle"), made(tmp_path, "other")
    carried = CarriedIds(encoders=bundle, tokenizer=bundle, ids=bundle)
    told = replace(TOLD, beside=(ease,))
    keep_cycle(
        cycle, told, received=batch_digest(cycle.batch.read()), carried=carried, bundle=bundle, beside=(other,),
        codes=[code_of("flows.ingest", "land")],
    )  # fmt: skip
    (recorded,) = cycles(warehouse())
    assert recorded.versions == {"challenger": "1", "champion": None, "beside: ease": "7"}
    assert read_record(recorded).bundles == {"1": bundle, "7": other}
    assert finished_cycle(cycle) == told
    shutil.rmtree(other.path)
    assert finished_cycle(cycle) is None


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
    assert opened.previous == BY_FSQ


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


BY_PAPER = CarriedIds(
    encoders=NOWHERE,
    tokenizer=replace(NOWHERE, digest="e" * 64),
    ids=NOWHERE,
    name="paper",
    fitted="1% of codes",
)


def kept_after(cycle: SettledCycle, days: int, carried: CarriedIds, bundle: ArtifactRef = NOWHERE) -> str:
    """A cycle so many days later on record, registered as the version that is given back."""
    told, later = replace(TOLD, version=f"{10 + days}"), cycle.as_of + timedelta(days=days)
    asked = cycle.request.model_copy(update={"as_of": later})
    done = replace(cycle, request=asked, as_of=later)
    keep_cycle(done, told, received="r", carried=carried, bundle=bundle, codes=[])
    return told.version


def after(cycle: SettledCycle, days: int, **asked: Any) -> SettledCycle:
    later = cycle.as_of + timedelta(days=days)
    return replace(cycle, request=cycle.request.model_copy(update=asked), as_of=later)


def promoted(version: str) -> None:
    append_promotion(
        warehouse(), action="promote", model=load_settings().model_name, version=version, previous_version=None,
        expected_version=None, verdict="PROMOTE", actor="a", reason="r", evidence={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "carries", "name"),
    [
        ({}, BY_FSQ, "fsq"),
        ({"tokenizer": "reuse"}, BY_FSQ, "fsq"),
        ({"tokenizer": "refit"}, None, "fsq"),
        ({"tokenizer_name": "fsq"}, BY_FSQ, "fsq"),
        ({"tokenizer_name": "product"}, None, "product"),
        ({"tokenizer_name": "paper"}, BY_PAPER, "paper"),
        ({"tokenizer": "reuse", "tokenizer_name": "paper"}, BY_PAPER, "paper"),
    ],
)
def test_a_baseline_that_was_not_promoted_is_carried_on_by_its_name_alone(
    cycle: SettledCycle, asked: dict[str, Any], carries: CarriedIds | None, name: str
) -> None:
    """Two cycles of it, the first with the same "now" as what is carried on in their stead."""
    kept_after(cycle, 1, BY_FSQ)
    keep_cycle(
        replace(after(cycle, 1), request=cycle.request.model_copy(update={"tokenizer_name": "paper"})),
        TOLD, received="r", carried=BY_PAPER, bundle=NOWHERE, codes=[],
    )  # fmt: skip
    kept_after(cycle, 2, BY_PAPER)
    opened = opened_with(after(cycle, 3, **asked), None)
    assert (opened.carried, opened.tokenizer_name) == (carries, name)
    assert opened.previous == (BY_PAPER if name == "paper" else BY_FSQ)


def test_a_baseline_alone_is_as_if_it_had_not_been(cycle: SettledCycle) -> None:
    kept_after(cycle, 1, BY_PAPER)
    opened = opened_with(after(cycle, 2), None)
    assert (opened.carried, opened.previous, opened.tokenizer_name) == (None, None, "graph_rqvae")


def test_a_baseline_that_became_champion_is_carried_on_with_what_came_after_it(cycle: SettledCycle) -> None:
    """Whatever the verdict on a later cycle of the same tokenizer, its IDs hold those of the champion."""
    kept_after(cycle, 1, BY_FSQ)
    promoted(kept_after(cycle, 2, BY_PAPER))
    longer = replace(BY_PAPER, ids=replace(NOWHERE, digest="f" * 64))
    kept_after(cycle, 3, longer)
    other = replace(BY_PAPER, tokenizer=replace(NOWHERE, digest="a" * 64))
    kept_after(cycle, 4, other)
    assert carried_into(after(cycle, 5)) == longer
    assert carried_into(after(cycle, 5, tokenizer_name="paper")) == other


def test_what_is_put_back_is_of_the_cycle_that_is_carried_on(cycle: SettledCycle, tmp_path: Path) -> None:
    """The bundle of the baseline in between does not hold it."""
    tokenizer, ids = made(tmp_path, "tokenizer"), made(tmp_path, "id_table")

    def write(folder: Path) -> None:
        for part in (tokenizer, ids):
            shutil.copytree(part.path, folder / "tokenizer" / part.kind)

    bundle = publish(tmp_path, "bundle", write, parents={}, config={})
    kept_after(cycle, 1, CarriedIds(encoders=NOWHERE, tokenizer=tokenizer, ids=ids, name="fsq"), bundle)
    kept_after(cycle, 2, BY_PAPER)
    shutil.rmtree(tokenizer.path)
    put_back_carried(after(cycle, 3))
    assert Path(tokenizer.path).exists()


def test_a_study_asks_for_the_tokenizer_of_the_retraining_after_it(cycle: SettledCycle) -> None:
    """Where something has arrived since the last cycle, and where nothing has."""
    request = cycle.request.model_copy(update={"train_cutoff": None, "as_of": None})
    first, cut = next_cycle(request)
    assert tokenizer_to_fit(first, cut) == "graph_rqvae"
    keep_cycle(cycle, TOLD, received="r", carried=BY_FSQ, bundle=NOWHERE, codes=[])
    last, cut = next_cycle(request)
    assert cut == last.as_of == cycle.as_of
    assert tokenizer_to_fit(last, cut) == "fsq"
    assert tokenizer_to_fit(after(cycle, 1), cut) == "fsq"
    assert tokenizer_to_fit(after(cycle, 1, tokenizer_name="product"), cut) == "product"


def test_a_back_test_walks_with_the_tokenizer_of_this_home(cycle: SettledCycle) -> None:
    """Of a home that goes on with the default it stays the request it was: its walks keep their homes."""
    span = {"start": LAST - timedelta(days=9), "end": LAST, "step": timedelta(days=3)}
    asked = BackfillRequest(**span, cycle=CycleRequest(source=cycle.request.source))
    assert by_this_homes_tokenizer(asked) == asked
    keep_cycle(cycle, TOLD, received="r", carried=BY_FSQ, bundle=NOWHERE, codes=[])
    filled = by_this_homes_tokenizer(asked)
    assert filled.cycle.tokenizer_name == "fsq"
    assert filled.home_of("mmgrec") != asked.home_of("mmgrec")
    named = BackfillRequest(**span, cycle=CycleRequest(tokenizer_name="product"))
    assert by_this_homes_tokenizer(named) == named
