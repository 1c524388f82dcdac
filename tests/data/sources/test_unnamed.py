"""Files without a header line, and times in forms of their own: proposed as they are, and not a row is lost."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.data.batch import DataContractError
from components.data.sources.columns.written import written_forms
from components.data.sources.map_writing import map_file_text
from components.data.sources.opening import open_source
from components.data.sources.proposing import propose
from components.data.sources.unnamed import form_by_look
from components.data.timestamps import read_timestamps

FIRST = datetime(2011, 3, 13, 7, 6, 40, tzinfo=UTC)
MOMENTS = [FIRST + timedelta(hours=hour) for hour in range(30)]
WHO = {("events", "user"): "column1", ("events", "item"): "column2"}


def spoken_of(root: Path) -> list[datetime]:
    batch = open_source(str(root), home=root).read(since=None, until=None)
    times = read_timestamps(batch.events["timestamp"])
    assert set(batch.events["user_id"]) == {"u0", "u1", "u2"}
    return sorted(times.moments.tolist())


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("ratings.csv", lambda n, at: f"u{n % 3},i{n % 5},{n % 4 + 1}.0,{at.timestamp():.0f}"),  # Amazon 2018
        (
            "checkins.txt",
            lambda n, at: f"u{n % 3}\ti{n % 5}\t{at:%Y-%m-%dT%H:%M:%SZ}\t30.2\t-97.7",
        ),  # Gowalla
        (
            "NYC.txt",
            lambda n, at: f"u{n % 3}\ti{n % 5}\tCafé\t-240\t{at:%a %b %d %H:%M:%S +0000 %Y}",
        ),  # Foursquare
        (
            "clicks.dat",
            lambda n, at: f"u{n % 3},i{n % 5},{at:%Y-%m-%dT%H:%M:%S}.277Z,0,0",
        ),  # a "name" stands twice
    ],
)
def test_a_file_without_header_is_proposed_by_place_and_keeps_its_first_line(
    tmp_path: Path, name, line
) -> None:
    lines = [line(n, at) for n, at in enumerate(MOMENTS)]
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    proposal = propose(tmp_path)
    assert [q.word for q in proposal.questions] == ["user", "item"]  # the time is told by the values
    assert "column1 (such as u0)" in proposal.questions[0].text
    (tmp_path / "recloop.yaml").write_text(map_file_text(proposal, WHO))
    found = spoken_of(tmp_path)
    assert [at.replace(microsecond=0) for at in found] == MOMENTS


def test_a_column_of_nothing_but_deeds_is_the_type(tmp_path: Path) -> None:
    kinds = ("pv", "buy", "cart", "fav")
    lines = [f"u{n % 3},i{n % 5},{n % 7},{kinds[n % 4]},{at.timestamp():.0f}" for n, at in enumerate(MOMENTS)]
    (tmp_path / "UserBehavior.csv").write_text("\n".join(lines))
    proposal = propose(tmp_path)
    assert {c.field: c.column for c in proposal.events.columns} == {
        "timestamp": "column5",
        "event_type": "column4",
    }
    (tmp_path / "recloop.yaml").write_text(map_file_text(proposal, WHO))
    batch = open_source(str(tmp_path), home=tmp_path).read(since=None, until=None)
    assert batch.events["event_type"].value_counts().to_dict() == {"pv": 8, "buy": 8, "cart": 7, "fav": 7}


def test_a_header_of_words_stays_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("who,what,when\nu1,i1,2024-01-01T00:00:00Z\n")
    assert propose(tmp_path).events.said == {}


def test_an_unnamed_file_of_items_is_found_by_the_events_items(tmp_path: Path) -> None:
    rows = "\n".join(f"u{n % 3},i{n % 5},{at.isoformat()}" for n, at in enumerate(MOMENTS))
    (tmp_path / "clicks.csv").write_text(f"user,item,time\n{rows}\n")
    (tmp_path / "things.csv").write_text("\n".join(f"{n}.5,i{n},Thing {n}" for n in range(5)))
    proposal = propose(tmp_path)
    assert proposal.events.file == "clicks.csv"
    assert proposal.items.file == "none"  # nothing says which column is the title: it is left, not guessed


@pytest.mark.parametrize(
    ("texts", "forms"),
    [
        (["Sun Mar 13 07:06:40 -0800 2011"], ("%a %b %d %H:%M:%S %z %Y",)),
        (["Sun, 13 Mar 2011 07:06:40 +0100"], ("%a, %d %b %Y %H:%M:%S %z",)),
        (["13/Mar/2011:07:06:40 +0100"], ("%d/%b/%Y:%H:%M:%S %z",)),
        (["11/15/2019 10:22:32 AM", "1/2/2019 1:00:00 PM"], ("%m/%d/%Y %I:%M:%S %p",)),
        (["13.12.2020 10:00"], ("%d.%m.%Y %H:%M",)),
        (["03/04/2011", "05/06/2012"], ("%d/%m/%Y", "%m/%d/%Y")),  # nobody can tell
        (["03/04/2011", "03/14/2011"], ("%m/%d/%Y",)),  # one value tells for all
        (["03/03/2011"], ("%d/%m/%Y",)),  # both mean the same day
        (["May 01, 2020"], ("%b %d, %Y",)),  # short and long name of a month alike
        (["2011-03-13T07:06:40Z"], ()),
        (["13.12.2020", "soon"], ()),
        ([], ()),
    ],
)
def test_the_form_of_written_times_is_told_by_all_values(texts: list[str], forms: tuple[str, ...]) -> None:
    assert written_forms(texts) == forms


def test_a_form_that_two_readings_fit_is_asked_and_so_is_the_zone(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("user,item,time\nu1,i1,03/04/2011 10:00\nu2,i1,05/06/2012 11:00\n")
    words = {q.word: q.text for q in propose(tmp_path).questions}
    assert set(words) == {"unit", "zone"}
    assert "%d/%m/%Y %H:%M or %m/%d/%Y %H:%M" in words["unit"]


def test_written_times_that_nobody_has_named_are_refused_with_their_form(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "events.csv.gz", "wt") as file:
        file.write("user_id,item_id,event_type,timestamp\nu1,i1,view,Sun Mar 13 07:06:40 +0000 2011\n")
    (tmp_path / "items.csv").write_text("item_id,title\ni1,Thing\n")
    with pytest.raises(DataContractError, match=r"written as %a %b .*unit: \"%a %b"):
        open_source(str(tmp_path), home=tmp_path).read(since=None, until=None)


def test_init_proposes_the_form_of_the_items_dates_too(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(
        "user,item,time\nu1,i1,2024-03-01T00:00:00Z\nu2,i2,2024-03-02T00:00:00Z\n"
    )
    (tmp_path / "goods.csv").write_text("item,title,release_date\ni1,One,13.12.2020\ni2,Two,01.02.2021\n")
    proposal = propose(tmp_path)
    assert proposal.items.said == {"unit": "%d.%m.%Y"}
    assert [(q.table, q.word) for q in proposal.questions] == [("items", "zone")]
    (tmp_path / "recloop.yaml").write_text(map_file_text(proposal, {("items", "zone"): "Europe/Berlin"}))
    items = open_source(str(tmp_path), home=tmp_path).read(since=None, until=None).items
    known = read_timestamps(items["available_at"]).moments.tolist()
    assert known == [datetime(2020, 12, 12, 23, tzinfo=UTC), datetime(2021, 1, 31, 23, tzinfo=UTC)]


@pytest.mark.parametrize("header", ["customer,sku,when,2", "0,customer,sku,when", "sku,name,2022,2023"])
def test_a_header_with_a_column_called_like_a_number_is_one(tmp_path: Path, header: str) -> None:
    assert form_of(tmp_path, f"{header}\na,b,c,d\n") is None


@pytest.mark.parametrize("line", ["1,News,1995-01-01", "u1,i1,05/06/2024 10:00", "anna,item-a,3.0"])
def test_a_line_of_values_is_none(tmp_path: Path, line: str) -> None:
    assert form_of(tmp_path, f"{line}\n{line}\n") is not None


def form_of(folder: Path, text: str) -> tuple[str, ...] | None:
    (folder / "table.csv").write_text(text)
    return form_by_look(folder / "table.csv").header


def test_an_unnamed_log_beside_a_named_file_of_items_is_the_events(tmp_path: Path) -> None:
    lines = [f"u{n % 3},i{n % 5},{at.timestamp():.0f}" for n, at in enumerate(MOMENTS)]
    (tmp_path / "UserBehavior.csv").write_text("\n".join(lines))
    (tmp_path / "products.csv").write_text("item_id,title\n" + "\n".join(f"i{n},Thing {n}" for n in range(5)))
    proposal = propose(tmp_path)
    assert (proposal.events.file, proposal.items.file) == ("UserBehavior.csv", "products.csv")
    assert [q.word for q in proposal.questions] == ["user", "item", "file"]


def test_a_few_odd_times_in_a_column_are_the_matter_of_their_rows(tmp_path: Path) -> None:
    rows = [f"i{n},Thing {n},{'01/02/2024' if n == 7 else ''}" for n in range(60)]
    (tmp_path / "items.csv").write_text("item_id,title,available_at\n" + "\n".join(rows) + "\n")
    odd = ["u1,i1,view,01/02/2024 10:00"] * 100
    good = [f"u1,i{n % 60},view,{1_700_000_000 + n}" for n in range(4000)]
    (tmp_path / "events.csv").write_text(
        "user_id,item_id,event_type,timestamp\n" + "\n".join(odd + good) + "\n"
    )
    batch = open_source(str(tmp_path), home=tmp_path).read(since=None, until=None)
    assert (len(batch.events), len(batch.items)) == (4100, 60)
