"""What a person says of their files: in a line, in recloop.yaml, and as `recloop init` proposes it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.folder import read_folder
from components.data.sources.map_writing import map_file_text, open_questions
from components.data.sources.opening import open_source
from components.data.sources.proposing import propose

CLICKS = "visitorid;itemid;timestamp;action\na;1;1704067200123;View\nb;2;1704067201123;Add to cart\n"
GOODS = "sku,productName,section\n1,Hat,Clothes\n2,Cup,Kitchen\n"
SAID = (
    "events=clicks.csv,items=goods.csv,user=visitorid,item=itemid,items.item=sku,time=timestamp:ms,type=action,"
    "title=productName"
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "clicks.csv").write_text(CLICKS)
    (tmp_path / "goods.csv").write_text(GOODS)
    return tmp_path


def test_a_line_says_which_column_means_what(shop: Path) -> None:
    batch = read_folder(shop, mapping=SAID)
    assert batch.events["user_id"].tolist() == ["a", "b"]
    assert batch.events["event_type"].tolist() == ["view", "add_to_cart"]
    assert [t.isoformat() for t in batch.events["timestamp"]] == [
        "2024-01-01T00:00:00.123000+00:00", "2024-01-01T00:00:01.123000+00:00"
    ]  # fmt: skip
    assert batch.items["title"].tolist() == ["Hat", "Cup"]
    assert dict(batch.readings[0].taken)["user_id"] == "visitorid"
    assert batch.readings[1].left == ("section",)


def test_one_word_for_the_item_names_it_in_both_tables_where_both_have_it(shop: Path) -> None:
    (shop / "goods.csv").write_text(GOODS.replace("sku", "itemid"))
    assert len(read_folder(shop, mapping=SAID.replace("items.item=sku,", "")).items) == 2
    (shop / "goods.csv").write_text(GOODS.replace("sku", "item_id"))
    assert len(read_folder(shop, mapping=SAID.replace("items.item=sku,", "")).items) == 2


def test_the_items_may_be_those_of_the_events(shop: Path) -> None:
    batch = read_folder(
        shop, mapping="events=clicks.csv,items=none,user=visitorid,item=itemid,time=timestamp:ms"
    )
    assert batch.items["title"].tolist() == ["1", "2"]
    assert "2 items are those that the events speak of" in batch.readings[1].remarks[0]


@pytest.mark.parametrize("told_in", ["--map", "recloop.yaml"])
def test_events_may_speak_of_items_that_an_earlier_batch_brought(shop: Path, told_in: str):
    """As the events do that a server was told of: no item comes with them, and the warehouse judges theirs."""
    columns = "events=clicks.csv,user=visitorid,item=itemid,time=timestamp:ms"
    if told_in == "recloop.yaml":
        (shop / "recloop.yaml").write_text("items: known\n", encoding="utf-8")
        batch = read_folder(shop, mapping=columns)
    else:
        batch = read_folder(shop, mapping=f"{columns},items=known")
    assert len(batch.items) == 0
    assert list(batch.items.columns)
    assert len(batch.events) > 0
    assert any("that the warehouse knows" in remark for remark in batch.readings[1].remarks)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("usr=visitorid", "'usr' is no word of a mapping; 'user' is"),
        ("user", "says nothing. Write word=value"),
        ("user=a,user=b", "'user' is said twice"),
        ("time=timestamp:minutes", "'minutes' is no unit of time"),
        ("zone=Europe/Nowhere", "'Europe/Nowhere' is no time zone"),
        ("start=2024-01-01", "has no zone"),
        ("delimiter=;;", "';;' is no delimiter"),
        ("repeats=last", "neither first"),
        (SAID.replace("type=action", "type=event"), "no column 'event_type'.*Name it 'event'"),
        (SAID.replace("time=timestamp:ms", "time=timestamp"), r"milliseconds.*--map time=timestamp:ms"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_word(shop: Path, said: str, says: str) -> None:
    with pytest.raises(DataContractError, match=says):
        read_folder(shop, mapping=said)


MAP = """
events:
  file: clicks.csv
  columns: {user: visitorid, item: itemid, time: timestamp, type: action}
  unit: ms
  types: {Add to cart: cart}
items:
  file: goods.csv
  columns: {item: sku, title: productName, categories: section}
"""


def test_a_file_beside_the_data_says_the_same_and_more(shop: Path) -> None:
    (shop / "recloop.yaml").write_text(MAP)
    batch = read_folder(shop)
    assert batch.events["event_type"].tolist() == ["view", "cart"]
    assert batch.items["categories"].tolist() == ["Clothes", "Kitchen"]
    assert batch.readings[0].remarks[0] == "read as recloop.yaml"
    assert read_folder(shop, mapping="type=itemid").events["event_type"].tolist() == [
        "1",
        "2",
    ]  # what is said beats it


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (MAP.replace("unit: ms", "units: ms"), "events has 'units', which means nothing"),
        (MAP.replace("user:", "usr:"), "events: columns has 'usr'"),
        ("events: [", "is no YAML"),
        ("- a\n", "is no mapping of words"),
        (MAP + "open_questions: ['which zone?']\n", "open questions are left: which zone"),
        (MAP.replace("types:", "weights: {view: -1}\n  types:"), "events: weights: view=-1 is no weight"),
        (MAP.replace("types:", "weights: {view: .nan}\n  types:"), "events: weights: view=nan is no weight"),
        (MAP.replace("types:", "weights: {view: yes}\n  types:"), "events: weights: view=True is no weight"),
        (
            MAP.replace("types:", "weights: [view]\n  types:"),
            "weights is no mapping of event types to numbers",
        ),
        (MAP + "  weights: {view: 1}\n", "items has 'weights', which means nothing"),
    ],
)
def test_a_file_that_says_nothing_clear_is_refused(shop: Path, text: str, says: str) -> None:
    (shop / "recloop.yaml").write_text(text)
    with pytest.raises(DataContractError, match=says):
        read_folder(shop)


def test_a_file_beside_the_data_says_what_event_types_weigh(shop: Path) -> None:
    """By their names as they then are; what is asked beats it, and none overrules it."""
    (shop / "recloop.yaml").write_text(MAP.replace("types:", "weights: {view: 0.2, cart: 1}\n  types:"))
    source = open_source(str(shop), home=shop)
    assert source.event_weights() == "view=0.2"
    assert source.event_weights("cart=2") == "cart=2"
    assert source.event_weights("none") == "none"
    assert source.read(None, None).events["event_type"].tolist() == ["view", "cart"]
    (shop / "recloop.yaml").write_text(MAP)
    assert (source.event_weights(), source.event_weights("none")) == ("", "")
    assert open_source("nowhere", home=shop).event_weights() == ""


def test_names_of_types_and_weights_may_stand_alone_beside_a_layout_that_is_known(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(
        "user_id,item_id,timestamp,event_type\na,1,1704067200,Click\na,1,1704067201,Buy\n"
    )
    (tmp_path / "items.csv").write_text("item_id,title\n1,Hat\n")
    (tmp_path / "recloop.yaml").write_text("events: {types: {Click: view}, weights: {view: 0}}\n")
    source = open_source(str(tmp_path), home=tmp_path)
    assert source.event_weights() == "view=0"
    assert source.read(None, None).events["event_type"].tolist() == ["view", "buy"]


def test_several_event_types_are_named_in_a_proposal_and_none_is_weighed_unasked(shop: Path) -> None:
    proposal = propose(shop)
    assert proposal.events.types == ("add_to_cart", "view")
    text = map_file_text(proposal, {})
    assert '  # weights: {"add_to_cart": 1, "view": 1}' in text
    (shop / "recloop.yaml").write_text(text)
    assert open_source(str(shop), home=shop).event_weights() == ""
    weighed = text.replace(
        '# weights: {"add_to_cart": 1, "view": 1}', 'weights: {"add_to_cart": 3, "view": 1}'
    )
    (shop / "recloop.yaml").write_text(weighed)
    assert open_source(str(shop), home=shop).event_weights() == "add_to_cart=3"
    (shop / "clicks.csv").write_text(CLICKS.replace("Add to cart", "view"))
    (shop / "recloop.yaml").unlink()
    assert propose(shop).events.types == ()


def test_a_proposal_reads_the_folder_it_was_made_of(shop: Path) -> None:
    proposal = propose(shop)
    assert proposal.questions == ()
    assert proposal.events.said == {"unit": "ms"}
    (shop / "recloop.yaml").write_text(map_file_text(proposal, {}))
    batch = read_folder(shop)
    assert batch.events["user_id"].tolist() == ["a", "b"]
    assert batch.items[["title", "categories"]].values.tolist() == [["Hat", "Clothes"], ["Cup", "Kitchen"]]


def test_a_file_of_items_is_known_by_the_ids_of_the_events(shop: Path) -> None:
    """`kode` is no name for an item, and users are numbered from 1 as items are; 98 of the 100 ids are in it."""
    clicks = "".join(f"{n % 9 + 1},{n + 1},1704067200123,View\n" for n in range(100))
    (shop / "clicks.csv").write_text(f"visitorid,itemid,timestamp,action\n{clicks}")
    goods = "".join(f"{n + 3},Work {n},{n % 4}\n" for n in range(5000, -1, -1))  # not in the first rows
    (shop / "goods.csv").write_text(f"kode,productName,shelf\n{goods}")
    (shop / "people.csv").write_text("userid,name\n" + "".join(f"{n + 1},P {n}\n" for n in range(400)))
    proposal = propose(shop)
    assert proposal.items.file == "goods.csv"
    assert "98 of 100 sampled items are in 'kode'" in proposal.items.why
    (shop / "recloop.yaml").write_text(map_file_text(proposal, {}))
    items = read_folder(shop).items
    assert (items["item_id"].iloc[-1], items["title"].iloc[-1]) == ("3", "Work 0")


def test_a_column_with_few_of_the_ids_is_not_proposed(shop: Path) -> None:
    (shop / "goods.csv").write_text("kode,productName\n1,Hat\n7,Cup\n8,Tea\n")
    clicks = "".join(f"a,{n},1704067200123,View\n" for n in range(10, 40))
    (shop / "clicks.csv").write_text(f"visitorid,itemid,timestamp,action\n{clicks}")
    assert propose(shop).items.file == "none"


@pytest.mark.parametrize("where", ["file", "column"])
def test_lists_of_numbers_are_proposed_as_vectors(shop: Path, where: str) -> None:
    """Whole numbers in a row are none: they may be tags."""
    printed = '"[0.5, 1e-3, -2.0, 1]"'
    if where == "file":
        (shop / "numbers.csv").write_text(f"sku,tags,e\n1,1 2 3 4,{printed}\n2,1 2 3 4,{printed}\n")
    else:
        (shop / "goods.csv").write_text(f"sku,productName,e\n1,Hat,{printed}\n2,Cup,\n")
    (shop / "recloop.yaml").write_text(map_file_text(propose(shop), {}))
    found = open_source(str(shop), home=shop).item_vectors()
    assert found is not None
    assert (found.dim, found.item_ids[0]) == (4, "1")
    assert found.reading.taken == (("item_id", "sku"), ("vector", "e"))


def test_what_the_files_cannot_tell_is_asked_and_stays_open_until_it_is_answered(shop: Path) -> None:
    (shop / "clicks.csv").write_text(
        "visitorid,itemid,clicked\na,1,2024-01-01 10:00:00\nb,2,2024-01-01 11:00:00\n"
    )
    proposal = propose(shop)
    assert [(c.field, c.column) for c in proposal.events.columns][-1] == (
        "timestamp",
        "clicked",
    )  # by its values
    (question,) = open_questions(proposal, {})
    assert (question.word, "2024-01-01 10:00:00" in question.text) == ("zone", True)
    (shop / "recloop.yaml").write_text(map_file_text(proposal, {}))
    with pytest.raises(DataContractError, match="in which time zone"):
        read_folder(shop)
    answered = {("events", "zone"): "Europe/Berlin"}
    assert not open_questions(proposal, answered)
    (shop / "recloop.yaml").write_text(map_file_text(proposal, answered))
    first = read_folder(shop).events["timestamp"][0]
    assert first.isoformat() == "2024-01-01T09:00:00+00:00"


def test_a_folder_that_is_known_needs_no_proposal(shop: Path, tmp_path: Path) -> None:
    (shop / "events.csv").write_text("user,item,time\na,1,1704067200\n")
    (shop / "items.csv").write_text("item,title\n1,a\n")
    assert propose(shop).known_as == "our names"
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SourceUnavailable, match="no table lies there"):
        propose(empty)


QUERY = """
events:
  query: SELECT visitor AS user_id, item AS item_id, at AS timestamp FROM clicks
  database: SHOP_URL
items:
  query: SELECT id AS item_id, title FROM goods
  database: SHOP_URL
"""


def test_queries_of_a_database_are_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE clicks (visitor TEXT, item INTEGER, at INTEGER)")
        database.execute("CREATE TABLE goods (id INTEGER, title TEXT)")
        database.executemany(
            "INSERT INTO clicks VALUES (?, ?, ?)", [("a", 2**60 + 1, 1704067200), (None, 2, 1704067201)]
        )
        database.executemany("INSERT INTO goods VALUES (?, ?)", [(2**60 + 1, "Hat"), (2, "Cup")])
    monkeypatch.setenv("SHOP_URL", f"sqlite:///{tmp_path}/shop.db")
    (tmp_path / "recloop.yaml").write_text(QUERY)
    batch = read_folder(tmp_path)
    assert batch.events["item_id"].tolist() == [str(2**60 + 1), "2"]
    assert batch.items["title"].tolist() == ["Hat", "Cup"]
    (tmp_path / "recloop.yaml").write_text(QUERY.replace("FROM clicks", "FROM click"))
    with pytest.raises(DataContractError, match=r"does not answer.*no such table: click"):
        read_folder(tmp_path)
    (tmp_path / "recloop.yaml").write_text(QUERY.replace("SHOP_URL", "postgresql://me:secret@host/db", 1))
    with pytest.raises(DataContractError, match="holds a password") as refused:
        read_folder(tmp_path)
    assert "secret" not in str(refused.value)
