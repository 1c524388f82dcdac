"""What a request leaves open is settled the same way whoever asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from components.artifact import ArtifactRef
from components.data.batch import DataContractError
from components.data.cycles import record_cycle
from components.evaluation.contenders import Incumbent
from flows.backfill import backfill_request
from flows.cycle_parts import keeps_types, refuse_other_settings
from flows.request import BadRequest, BatchRequest, CycleRequest, cycle_request
from flows.settings import SettingsError
from flows.settled import NothingNew, SettledCycle, settle_batch, settle_cycle
from flows.warehouse import warehouse

LAST = datetime(2024, 3, 2, 15, tzinfo=UTC)
NOW = LAST + timedelta(seconds=1)  # the data's own


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A source of 40 events, an hour apart, up to LAST."""
    monkeypatch.setenv("RECLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECLOOP_WAREHOUSE_URL", f"sqlite:///{tmp_path}/warehouse.db")
    folder = tmp_path / "shop"
    folder.mkdir()
    times = [LAST - timedelta(hours=hours) for hours in range(40)]
    table = {"user_id": "u", "item_id": "i", "timestamp": [t.isoformat() for t in times]}
    pd.DataFrame(table).to_csv(folder / "events.csv", index=False)
    pd.DataFrame({"item_id": ["i"], "title": ["I"]}).to_csv(folder / "items.csv", index=False)
    return str(folder)


def finish(as_of: datetime) -> None:
    record_cycle(
        warehouse(), cycle_id=as_of.isoformat(), as_of=as_of, train_cutoff=as_of - timedelta(days=1),
        verdict="HOLD", versions={}, summary={},
    )  # fmt: skip


def test_now_is_the_datas_own_end(shop: str) -> None:
    batch = settle_batch(BatchRequest(source=shop))
    assert batch.as_of == NOW
    assert len(batch.read().events) == 40


def test_events_of_the_future_are_read_where_now_is_left_open_and_have_not_arrived_where_it_is_said(
    shop: str,
) -> None:
    """The contracts quarantine them by name; they are not dropped in silence."""
    events = pd.read_csv(Path(shop) / "events.csv")
    events.loc[0, "timestamp"] = "2099-01-01T00:00:00Z"
    events.to_csv(Path(shop) / "events.csv", index=False)
    left_open = settle_batch(BatchRequest(source=shop))
    assert left_open.as_of == NOW - timedelta(hours=1)
    assert len(left_open.read().events) == 40
    assert len(settle_batch(BatchRequest(source=shop, as_of=NOW)).read().events) == 39


def test_the_cut_is_where_the_last_cycles_replay_ended(shop: str) -> None:
    for days in (20, 10):
        finish(NOW - timedelta(days=days))
    finish(NOW)  # this very cycle, finished before: not earlier
    cycle = settle_cycle(CycleRequest(source=shop))
    assert (cycle.train_cutoff, cycle.as_of) == (NOW - timedelta(days=10), NOW)


def test_a_first_cycle_trains_on_the_first_seven_tenths(shop: str) -> None:
    """40 events an hour apart: the 29th is the first of the replay."""
    cycle = settle_cycle(CycleRequest(source=shop))
    assert (cycle.train_cutoff, cycle.as_of) == (LAST - timedelta(hours=11), NOW)


def test_the_same_data_once_more_is_nothing_new(shop: str) -> None:
    finish(NOW)
    with pytest.raises(NothingNew, match="--train-cutoff 1998-01-01T00:00Z"):
        settle_cycle(CycleRequest(source=shop))


def test_the_same_request_is_the_same_cycle_however_it_was_left_open(shop: str) -> None:
    cut = NOW - timedelta(days=1)
    left_open = settle_cycle(CycleRequest(source=shop, train_cutoff=cut))
    said = settle_cycle(CycleRequest(source=shop, train_cutoff=cut, as_of=NOW))
    other = settle_cycle(CycleRequest(source=shop, train_cutoff=cut, as_of=NOW, seed=8))
    assert left_open.id == said.id != other.id


def test_weights_are_part_of_a_request_once_they_differ_and_the_source_may_say_them(
    shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked beats the settings, and these recloop.yaml; what means the same is the same cycle."""

    def settled(weights: str | None = None) -> SettledCycle:
        return settle_cycle(cycle_request(source=shop, event_weights=weights))

    plain = settled()
    assert "event_weights" not in plain.request.identity
    assert settled("none").id == settled("interaction=1").id == plain.id
    asked = settled("view=0.20,interaction=2")
    assert asked.request.event_weights == "interaction=2,view=0.2"
    assert settled(" interaction=2 , view=.2").id == asked.id != plain.id
    (Path(shop) / "recloop.yaml").write_text("events: {weights: {interaction: 2, view: 0.2}}\n")
    assert settled().id == asked.id
    assert settled("none").request.weighs_types is False
    assert settle_cycle(settled("none").request).id == settled("none").id  # settled once more, it is the same
    monkeypatch.setenv("RECLOOP_EVENT_WEIGHTS", "view=3")
    assert settled().request.event_weights == "view=3"
    assert settled("view=4").request.event_weights == "view=4"


def test_weights_that_cannot_be_meant_are_refused(shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadRequest, match=r"event_weights .*view=-1 is no weight"):
        cycle_request(source=shop, event_weights="view=-1")
    (Path(shop) / "recloop.yaml").write_text("events: {weights: {view: many}}\n")
    with pytest.raises(DataContractError, match="view=many is no weight"):
        settle_cycle(cycle_request(source=shop))
    monkeypatch.setenv("RECLOOP_EVENT_WEIGHTS", "view")
    with pytest.raises(SettingsError, match="RECLOOP_EVENT_WEIGHTS: 'view' is no weight of an event type"):
        cycle_request(source=shop)


def test_a_cut_behind_now_is_refused(shop: str) -> None:
    with pytest.raises(BadRequest, match="Pass an earlier --train-cutoff"):
        settle_cycle(CycleRequest(source=shop, train_cutoff=NOW + timedelta(days=1)))
    with pytest.raises(BadRequest, match="challenger"):
        cycle_request(source=shop, challenger="bert")


@pytest.mark.parametrize(
    ("written", "told"),
    [("%Y-%m-%d %H:%M:%S", r"name no zone.*--zone UTC"), ("soon", r"no event has a time.*recloop validate")],
)
def test_times_that_say_no_moment_are_refused_with_what_to_do(shop: str, written: str, told: str) -> None:
    events = Path(shop) / "events.csv"
    moments = pd.to_datetime(pd.read_csv(events)["timestamp"])
    pd.read_csv(events).assign(timestamp=moments.dt.strftime(written)).to_csv(events, index=False)
    with pytest.raises(BadRequest, match=told):
        settle_cycle(CycleRequest(source=shop))


# --- a tuned preset --------------------------------------------------------------------------------------

TUNED = {"arm": "sasrec", "preset": "quick", "settings": {"training.epochs": 2}, "trials": [1, 2]}


def test_a_tuned_preset_makes_another_cycle_and_none_leaves_it_as_it_was() -> None:
    plain = CycleRequest(challenger="sasrec", preset="quick")
    tuned = cycle_request(challenger="sasrec", preset="quick", tuned=TUNED)
    assert "tuned" not in plain.identity
    assert tuned.identity == plain.identity | {"tuned": tuned.tuned}
    assert (tuned.settings_of("sasrec"), tuned.settings_of("mmgrec")) == (TUNED["settings"], {})
    assert CycleRequest.model_validate_json(tuned.model_dump_json()) == tuned
    assert (plain.settings_of("sasrec"), plain.tuned_digest("sasrec")) == ({}, "")


def test_settings_that_were_changed_after_their_file_was_read_have_another_digest() -> None:
    carried = cycle_request(challenger="sasrec", preset="quick", tuned=TUNED).tuned
    assert carried is not None
    again = cycle_request(challenger="sasrec", preset="quick", tuned=carried)
    changed = carried | {"settings": {"training.epochs": 3}}
    other = cycle_request(challenger="sasrec", preset="quick", tuned=changed)
    assert again.tuned_digest("sasrec") == carried["digest"] != other.tuned_digest("sasrec")
    with pytest.raises(BadRequest, match=r"settings is \{\}"):
        cycle_request(challenger="sasrec", preset="quick", tuned=TUNED | {"settings": {}})


def test_a_back_test_of_other_arms_than_the_tuned_one_is_refused_before_it_begins() -> None:
    cycle = cycle_request(challenger="sasrec", preset="quick", tuned=TUNED)
    asked = {"start": LAST - timedelta(days=9), "end": LAST, "step": timedelta(days=3), "cycle": cycle}
    assert backfill_request(**asked, challengers=("sasrec",)).windows
    with pytest.raises(BadRequest, match="of sasrec, and mmgrec would be walked too"):
        backfill_request(**asked, challengers=("sasrec", "mmgrec"))


@pytest.mark.parametrize(("tuned_champion", "arm"), [(True, "sasrec"), (False, "sasrec"), (False, "mmgrec")])
def test_no_champion_is_refitted_with_other_settings_than_its_own(
    shop: str, tuned_champion: bool, arm: str
) -> None:
    request = cycle_request(source=shop, challenger="sasrec", preset="quick", tuned=TUNED)
    settled = settle_cycle(request)
    nowhere = ArtifactRef(kind="bundle", digest="d" * 64, path="/nowhere")
    champion = Incumbent(
        version="3",
        bundle=nowhere,
        arm=arm,
        train_end=settled.train_cutoff,
        tokenizer=None,
        tuned=tuned_champion,
    )
    refuse_other_settings(settled, champion)  # it has not seen the window
    seen = replace(champion, train_end=settled.as_of)
    if arm == "mmgrec":
        refuse_other_settings(settled, seen)
        return
    with pytest.raises(BadRequest, match=r"version 3, .*refitted.*--train-cutoff"):
        refuse_other_settings(settled, seen)


def test_a_tuned_preset_of_another_arm_or_base_is_refused(shop: str) -> None:
    with pytest.raises(
        BadRequest, match=r"arm is 'sasrec', and the challenger is mmgrec. Pass --challenger sasrec"
    ):
        settle_cycle(CycleRequest(source=shop, preset="quick", tuned=TUNED))
    with pytest.raises(BadRequest, match="ask for preset quick"):
        cycle_request(challenger="sasrec", tuned=TUNED)
    with pytest.raises(BadRequest, match="epochs is 900"):
        cycle_request(
            challenger="sasrec", preset="quick", tuned=TUNED | {"settings": {"training.epochs": 900}}
        )


# --- a share for new items --------------------------------------------------------------------------------


def test_a_share_for_new_items_is_part_of_a_request_once_it_is_asked_for(shop: str) -> None:
    off, on = (settle_cycle(cycle_request(source=shop, new_items=share)) for share in (0, 0.02))
    assert "new_items" not in off.request.identity
    assert on.id != off.id == settle_cycle(CycleRequest(source=shop)).id
    asked = on.request.new_item_share("mmgrec")
    assert asked is not None
    assert (asked.share, asked.exclude_seen, on.request.new_item_share("sasrec")) == (0.02, True, None)
    assert off.request.new_item_share("mmgrec") is None
    by_events = cycle_request(source=shop, new_items="auto", filter_seen=False).new_item_share("mmgrec")
    assert by_events is not None
    assert (by_events.share, by_events.exclude_seen) == (None, False)
    for share in ("1", "-.1", "some"):
        with pytest.raises(BadRequest, match="new_items"):
            cycle_request(source=shop, new_items=share)


def test_a_champion_that_would_be_refitted_is_not_given_the_share(shop: str) -> None:
    asked = settle_cycle(cycle_request(source=shop, new_items=0.02))
    seen = Incumbent(
        version="3", bundle=ArtifactRef(kind="bundle", digest="b", path=""), arm="mmgrec",
        train_end=asked.as_of, tokenizer=None,
    )  # fmt: skip
    with pytest.raises(BadRequest, match="a share for new items makes its mmgrec another one"):
        refuse_other_settings(asked, seen)
    refuse_other_settings(asked, replace(seen, arm="sasrec"))
    refuse_other_settings(asked, replace(seen, train_end=asked.train_cutoff))


def test_a_champion_that_would_be_refitted_keeps_its_own_preference(shop: str) -> None:
    """Whoever says it as it is may have it refitted; a request that says another, or nothing of it, may not."""
    aims = cycle_request(source=shop, challenger="multitron", preference="buy=1")
    asked = {name: settle_cycle(request) for name, request in {
        "buy": aims, "none": cycle_request(source=shop, challenger="multitron"),
        "beside": cycle_request(source=shop, challenger="sasrec"),
    }.items()}  # fmt: skip
    seen = Incumbent(
        version="3", bundle=ArtifactRef(kind="bundle", digest="b", path=""), arm="multitron",
        train_end=asked["buy"].as_of, tokenizer=None, preference="buy=1",
    )  # fmt: skip
    refuse_other_settings(asked["buy"], seen)
    refuse_other_settings(asked["none"], replace(seen, preference=""))
    for refused, champion in (
        ("none", seen), ("beside", seen), ("buy", replace(seen, preference="view=1")),
        ("buy", replace(seen, preference="")),
    ):  # fmt: skip
        with pytest.raises(BadRequest, match="another preference makes its multitron another one"):
            refuse_other_settings(asked[refused], champion)


def test_a_back_test_takes_no_preference() -> None:
    with pytest.raises(BadRequest, match="has all event types alike: leave the preference out"):
        backfill_request(
            start="2024-01-01T00:00Z", end="2024-02-01T00:00Z", step="P7D", challengers=("multitron",),
            cycle={"challenger": "multitron", "preference": "buy=1"},
        )  # fmt: skip


@pytest.mark.parametrize("share", ["many", "1.5", 1, -0.1])
def test_what_is_no_share_is_told_with_what_is(share: object) -> None:
    with pytest.raises(BadRequest, match=rf"new_items.*{share!r} is no share of places: give a number"):
        cycle_request(new_items=share)


def test_a_share_for_new_items_is_asked_of_one_challenger_alone(shop: str) -> None:
    with pytest.raises(BadRequest, match="given by one challenger alone: name one arm, or leave it out"):
        cycle_request(source=shop, new_items=0.02, more_challengers=("fusion",))


def test_an_arm_that_cannot_rank_new_items_is_named_with_those_that_can() -> None:
    with pytest.raises(
        BadRequest,
        match=r"ease cannot give new items a share.*challenge with one of alpharec, fusion, .*mmgrec",
    ):
        cycle_request(challenger="ease", new_items=0.02)
    walk = {
        "start": LAST,
        "end": LAST + timedelta(days=2),
        "step": timedelta(days=1),
        "cycle": CycleRequest(new_items=0.02),
    }
    with pytest.raises(BadRequest, match="a share, which ease cannot give them"):
        backfill_request(challengers=("mmgrec", "ease"), **walk)
    assert backfill_request(challengers=("mmgrec", "fusion"), **walk).cycle.new_items == 0.02


# --- a preference over event types -----------------------------------------------------------------------


def test_a_preference_is_part_of_a_request_once_it_is_said(shop: str) -> None:
    """And two lines that mean the same are the same request; it is of the arms that take one alone."""
    off, on, same = (
        settle_cycle(cycle_request(source=shop, challenger="multitron", preference=said))
        for said in ("", "purchase=.8,click=.2", "click=1,purchase=4")
    )
    assert "preference" not in off.request.identity
    assert on.id == same.id != off.id
    assert on.request.preference == "click=0.2,purchase=0.8"
    several = cycle_request(
        source=shop, challenger="sasrec", more_challengers=("multitron",), preference="click=1"
    )
    assert (several.preference_of("sasrec"), several.preference_of("multitron")) == ("", "click=1")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            {"challenger": "fusion"},
            "preference is click=1, and fusion takes none: .* challenge with multitron",
        ),
        ({"challenger": "multitron", "preference": "click"}, "'click' is no part of a preference: write"),
    ],
)
def test_what_is_no_preference_is_refused_with_the_mend(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        cycle_request(**{"preference": "click=1"} | asked)


def test_rows_keep_types_for_an_arm_that_reads_them(shop: str) -> None:
    plain, typed = (
        settle_cycle(cycle_request(source=shop, challenger=arm)) for arm in ("sasrec", "multitron")
    )
    champion = Incumbent(
        version="3", bundle=ArtifactRef(kind="bundle", digest="b", path=""), arm="multitron",
        train_end=plain.as_of, tokenizer=None,
    )  # fmt: skip
    assert not keeps_types(plain, None)
    assert keeps_types(typed, None)
    assert keeps_types(plain, champion), "it has seen the window, and is refitted"
    assert not keeps_types(plain, replace(champion, train_end=plain.train_cutoff))


# --- a warm start ----------------------------------------------------------------------------------------


def test_a_warm_start_is_part_of_a_request_once_it_is_asked_for(
    shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the request or by the settings; a request of either kind beats these."""
    cold = settle_cycle(cycle_request(source=shop, warm_start=None))
    warm = settle_cycle(cycle_request(source=shop, warm_start=True))
    assert "warm_start" not in cold.request.identity
    assert (warm.request.warm_start, warm.id != cold.id) == (True, True)
    monkeypatch.setenv("RECLOOP_WARM_START", "true")
    assert settle_cycle(CycleRequest(source=shop)).id == warm.id
    assert settle_cycle(cycle_request(source=shop, warm_start=False)).id == cold.id


def test_several_challengers_are_another_request_and_one_alone_is_what_it_was(shop: str) -> None:
    alone, both = (
        CycleRequest(source=shop, challenger="ease", more_challengers=more) for more in ((), ("sasrec",))
    )
    assert "more_challengers" not in alone.identity
    assert both.identity["more_challengers"] == ["sasrec"]
    assert (alone.challengers, both.challengers) == (("ease",), ("ease", "sasrec"))
    assert settle_cycle(alone).id != settle_cycle(both).id


def test_an_arm_challenges_once(shop: str) -> None:
    with pytest.raises(BadRequest, match="ease is named twice among the challengers"):
        cycle_request(source=shop, challenger="ease", more_challengers=("sasrec", "ease"))
    with pytest.raises(BadRequest, match="more_challengers"):
        cycle_request(source=shop, challenger="ease", more_challengers=("bert",))
    six = ("sasrec", "hstu", "fmlp", "gru4rec", "bert4rec", "gsasrec")
    with pytest.raises(BadRequest, match="at most 5 items"):
        cycle_request(source=shop, challenger="ease", more_challengers=six)


def test_settings_may_be_of_any_of_several_challengers(shop: str) -> None:
    asked = {"source": shop, "challenger": "ease", "preset": "quick", "tuned": TUNED}
    assert settle_cycle(cycle_request(**asked, more_challengers=("sasrec",))).request.settings_of("sasrec")
    with pytest.raises(BadRequest, match=r"the challengers are ease, hstu\. Pass --challenger sasrec"):
        settle_cycle(cycle_request(**asked, more_challengers=("hstu",)))


def test_a_back_test_walks_its_challengers_apart(shop: str) -> None:
    asked = {"start": LAST - timedelta(days=1), "end": LAST, "step": timedelta(hours=6)}
    cycle = cycle_request(source=shop, challenger="ease", more_challengers=("sasrec",))
    with pytest.raises(BadRequest, match="walks its challengers apart"):
        backfill_request(**asked, cycle=cycle)
