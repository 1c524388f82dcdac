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
