"""A person's own files at the command line: init, validate, and what is printed of a batch that is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from components.data.contracts.batch_check import TooMuchBad
from flows.cli.app import app
from flows.cli.init import AlreadyThere


@pytest.fixture(autouse=True)
def environment(tmp_path: Path) -> Iterator[None]:
    """A home of its own; what a command sets is undone."""
    before = dict(os.environ)
    os.environ |= {"RECLOOP_HOME": str(tmp_path / "home"), "COLUMNS": "1000"}
    yield
    os.environ.clear()
    os.environ |= before


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    rows = [f"u{n % 9},{n % 4},{1704067200123 + 900_000 * n},Add to cart,x\n" for n in range(40)]
    (folder / "clicks.csv").write_text("visitorid,sku,timestamp,action,note\n" + "".join(rows))
    (folder / "goods.csv").write_text("sku,productName\n0,Hat\n1,Cup\n2,Tea\n3,Pot\n")
    return folder


def recloop(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_init_writes_what_validate_reads_and_says(shop: Path) -> None:
    """No terminal is there to ask, and these files leave no question."""
    made = recloop("init", "--source", shop)
    assert made.exit_code == 0, made.output
    assert "user from 'visitorid', such as u0" in made.output
    assert "unit ms, as the values look" in made.output
    assert f"Next: recloop validate --source {shop}" in made.output
    told = recloop("validate", "--source", shop)
    assert told.exit_code == 0, told.output
    assert "user_id from 'visitorid'" in told.output
    assert "left: note" in told.output
    assert "'Add to cart' is 'add_to_cart'" in told.output
    assert "40 events and 4 items received" in told.output
    assert "user_id u0, item_id 0, event_type add_to_cart, timestamp 2024-01-01T00:00:00Z" in told.output
    assert f"Next: recloop ingest --source {shop}" in told.output
    again = recloop("init", "--source", shop)
    assert isinstance(again.exception, AlreadyThere)
    assert recloop("init", "--source", shop, "--force").exit_code == 0


def test_event_types_are_told_with_counts_and_what_they_weigh(shop: Path) -> None:
    """In the order of how many there are; a type that no event is of is said, and that nothing would be left."""
    lines = (shop / "clicks.csv").read_text().splitlines(keepends=True)
    text = "".join(line.replace("Add to cart", "View") if at % 4 else line for at, line in enumerate(lines))
    (shop / "clicks.csv").write_text(text)
    made = recloop("init", "--source", shop)
    assert "event types add_to_cart, view: they weigh alike unless you say `weights`" in made.output
    told = recloop("validate", "--source", shop)
    assert "event types: view 30, add_to_cart 10; they weigh alike, unless you say otherwise" in told.output
    told = recloop("validate", "--source", shop, "--event-weight", "view=0.2", "--event-weight", "buy=3")
    assert "event types: view 30 (weight 0.2), add_to_cart 10 (weight 1)" in told.output
    assert "no event is of type 'buy', which has a weight" in told.output
    (shop / "recloop.yaml").write_text((shop / "recloop.yaml").read_text().replace("# weights:", "weights:"))
    (shop / "recloop.yaml").write_text(
        (shop / "recloop.yaml").read_text().replace('"add_to_cart": 1, "view": 1', "add_to_cart: 0, view: 0")
    )
    told = recloop("validate", "--source", shop)
    assert "event types: view 30 (weight 0), add_to_cart 10 (weight 0)" in told.output
    assert "all of them weigh 0: there would be nothing to train on" in told.output
    refused = recloop("validate", "--source", shop, "--event-weight", "view=-1")
    assert "view=-1 is no weight" in str(refused.exception)


def test_init_finds_parts_items_by_their_ids_and_vectors(shop: Path) -> None:
    """Clicks of two days, items whose column of ids has a name that tells nothing, vectors beside them."""
    head, *rows = (shop / "clicks.csv").read_text().splitlines(keepends=True)
    (shop / "clicks.csv").unlink()
    for day, part in (("01", rows[:20]), ("02", rows[20:])):
        (shop / f"clicks-2024-01-{day}.csv").write_text(head + "".join(part))
    (shop / "goods.csv").write_text("kode,productName\n0,Hat\n1,Cup\n2,Tea\n3,Pot\n")
    lines = "".join(f'{n},"[0.5, {n}.0, 1.0, -1.0]"\n' for n in (1, 2, 3, "03"))
    (shop / "model.csv").write_text(f"sku,e\n{lines}")
    made = recloop("init", "--source", shop)
    assert made.exit_code == 0, made.output
    assert "events: clicks-[0-9]*.csv, since" in made.output
    assert "items: goods.csv, since it has columns for item, title" in made.output
    assert "and 4 of 4 sampled items are in 'kode'" in made.output
    assert "vectors: model.csv, since e holds lists of numbers" in made.output
    told = recloop("validate", "--source", shop)
    assert told.exit_code == 0, told.output
    assert "clicks-2024-01-01.csv, clicks-2024-01-02.csv: user_id from 'visitorid'" in told.output
    assert "40 events and 4 items received" in told.output
    assert "vectors: model.csv, 4 wide, 3 of 4 items" in told.output
    assert (
        "1 vectors are of no item, such as '03', and are left; the nearest items: '03' → '3'" in told.output
    )
    (shop / "clicks-2024-01-03.csv").write_text("visitorid,sku,when,action\n")
    refused = recloop("validate", "--source", shop)
    assert "clicks-2024-01-03.csv: its header has 'when' and lacks 'timestamp', 'note'" in str(
        refused.exception
    )
    (shop / "clicks-2024-01-03.csv").unlink()
    (shop / "model.csv").write_text(f"sku,e\n{lines}2,[1 2]\n")
    refused = recloop("ingest", "--source", shop)
    assert "model.csv: column 'e', row 4 (item '2'): a vector of 2 numbers" in str(refused.exception)


def test_a_question_that_nobody_answers_stays_open(shop: Path) -> None:
    text = (shop / "clicks.csv").read_text().replace("sku,timestamp", "what,timestamp")
    (shop / "clicks.csv").write_text(text)
    made = recloop("init", "--source", shop)
    assert "which column is the item" in made.output
    told = recloop("validate", "--source", shop)
    assert "open questions are left" in str(told.exception)


def test_a_refused_batch_still_has_its_page_and_a_word_for_it(shop: Path) -> None:
    said = "events=clicks.csv,items=goods.csv,user=visitorid,item=sku,title=productName,time=timestamp:ms,type=action"
    text = (shop / "clicks.csv").read_text().replace(",0,1704", ",9,1704")
    (shop / "clicks.csv").write_text(text)
    told = recloop("validate", "--source", shop, "--map", said)
    assert isinstance(told.exception, TooMuchBad)
    assert "unknown_item 10" in str(told.exception)
    page = next(line for line in told.output.splitlines() if line.startswith("Data Docs: "))
    assert Path(page.removeprefix("Data Docs: ")).is_file()
    assert recloop("validate", "--source", shop, "--map", said, "--max-bad-share", "0.3").exit_code == 0
