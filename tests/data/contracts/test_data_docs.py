"""Data Docs as a reader opens them: what became of a batch, and nothing asked of any other machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import great_expectations as gx
import pytest
from playwright.sync_api import Browser

from components.data.contracts.batch_check import ContractConfig, TooMuchBad, check_batch
from components.data.contracts.data_docs import SITE
from components.data.contracts.data_docs_page import outcome_page
from components.data.contracts.outcome import BadRow, Outcome
from components.data.contracts.subject import Subject
from components.data.contracts.validation import data_docs_index
from tests.accessibility import faults_of
from tests.browsing import SCREENS, chromium, needs_chromium, opened
from tests.data.contracts.rows import batch_of

AS_OF = datetime(2019, 7, 1, tzinfo=UTC)
BAD = [{"user_id": None}, {"timestamp": "yesterday"}, {"timestamp": "yesterday", "value": 99.0}]


def checked(root: Path, num_bad: int) -> Path:
    """The page of 20 sound events and these bad ones."""
    batch = batch_of([*BAD[:num_bad], *({} for _ in range(20))])
    config = ContractConfig(max_bad_event_share=0.1)
    try:
        found = check_batch(batch, as_of=AS_OF, known_items=[], gx_root=root, config=config)
    except TooMuchBad as stopped:
        found = stopped.checked
    return Path(found.data_docs)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("docs")


@pytest.fixture(scope="module")
def pages(root: Path) -> dict[str, Path]:
    """A batch with two bad rows of 22, one with three of 23, which is above the limit, and the front page."""
    return {"accepted": checked(root, 2), "stopped": checked(root, 3), "index": data_docs_index(root)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@needs_chromium
@pytest.mark.parametrize(("scheme", "width"), SCREENS)
def test_an_accepted_batch_says_so_and_which_rows_are_left(
    browser: Browser, pages: dict[str, Path], scheme: str, width: int
):
    with opened(browser, pages["accepted"].as_uri(), scheme=scheme, width=width) as seen:
        assert seen.page.locator(".outcome").inner_text() == "Accepted – 2 of 22 events quarantined"
        assert seen.page.locator("h1").inner_text() == "Events of s until 2019-07-01 00:00Z"
        why, rows, _ = (table.locator("tbody tr") for table in seen.page.locator("table").all())
        assert {tuple(row.locator("td").all_inner_texts())[:2] for row in why.all()} == {
            ("missing_user", "1"),
            ("bad_timestamp", "1"),
        }
        assert [tuple(row.locator("td").all_inner_texts()) for row in rows.all()] == [
            ("100", "missing_user"),
            ("101", "bad_timestamp"),
        ]
        assert "recloop quarantine list" in seen.text
        assert "Failed" not in seen.text
        assert (seen.abroad, seen.told, seen.fits, faults_of(seen.page)) == ([], [], True, [])


@needs_chromium
def test_a_batch_above_the_limit_was_stopped(browser: Browser, pages: dict[str, Path]):
    """3 of 23 are 13.0 %."""
    with opened(browser, pages["stopped"].as_uri()) as seen:
        told = seen.page.locator(".outcome").inner_text()
        assert told == "Stopped – 3 of 23 events are bad: 13.0%, and the limit is 10.0%; nothing went on"
        assert "recloop quarantine list" not in seen.text  # nothing of it is there
        assert faults_of(seen.page) == []


@needs_chromium
@pytest.mark.parametrize(("scheme", "width"), SCREENS)
def test_the_front_page_leads_to_every_batch(
    browser: Browser, pages: dict[str, Path], scheme: str, width: int
):
    with opened(browser, pages["index"].as_uri(), scheme=scheme, width=width) as seen:
        rows = seen.page.locator("tbody tr")
        told = [tuple(row.locator("td").all_inner_texts())[1:3] for row in rows.all()]
        assert told == [
            ("Stopped", "3 of 23 events are bad: 13.0%, and the limit is 10.0%; nothing went on"),
            ("Accepted", "all 1 items"),
            ("Accepted", "2 of 22 events quarantined"),
            ("Accepted", "all 1 items"),
        ]
        assert (seen.abroad, seen.told, seen.fits, faults_of(seen.page)) == ([], [], True, [])
        rows.nth(2).get_by_role("link").focus()
        seen.page.keyboard.press("Enter")
        seen.page.get_by_text("2 of 22 events quarantined").wait_for()
        seen.page.get_by_role("link", name="All of Data Docs").focus()
        seen.page.keyboard.press("Enter")
        seen.page.get_by_role("link", name="items", exact=True).click()
        seen.page.get_by_text("an item has an id").wait_for()
        assert (seen.abroad, faults_of(seen.page)) == ([], [])


def test_runs_and_assets_are_named_by_batch(root: Path, pages: dict[str, Path]):
    suite, run, _, page = pages["accepted"].parts[-4:]
    assert (suite, run.rpartition("-")[0]) == ("events", "s-until-2019-07-01-00-00Z")
    assert page == f"recloop-events-{run}.html"
    kept = root / "gx" / "uncommitted" / "validations" / suite / run
    (result,) = kept.rglob("*.json")
    told = json.loads(result.read_text())["meta"]
    assert told["run_id"]["run_name"] == run
    assert told["active_batch_definition"]["data_asset_name"] == f"events-{run}"


def test_a_site_of_before_is_drawn_anew(tmp_path: Path):
    """With what it holds: a result of before says nothing of a batch, and is told by its suite."""
    old = checked(tmp_path, 0)
    context = gx.get_context(mode="file", project_root_dir=tmp_path)
    context.update_data_docs_site(
        SITE,
        {
            "class_name": "SiteBuilder",
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": f"uncommitted/data_docs/{SITE}/",
            },
        },
    )
    (result,) = (tmp_path / "gx/uncommitted/validations/events").rglob("*.json")
    kept = json.loads(result.read_text())
    kept["results"][0]["expectation_config"]["meta"].pop("recloop")
    result.write_text(json.dumps(kept))
    context.build_data_docs()
    assert "cdn" in old.read_text()
    checked(tmp_path, 1)
    assert "Accepted <span>– all 20 events" in old.read_text()
    assert "cdn" not in "".join(page.read_text() for page in data_docs_index(tmp_path).parent.rglob("*.html"))


def test_text_of_others_is_no_markup():
    row = BadRow(names={"<i>row</i>": "\x00<b>7</b>\ud800"}, reasons=("<u>why</u>",))
    told = Outcome(
        subject=Subject(rows="<s>rows</s>", batch="<img src=x>"), at=AS_OF, num_rows=1, rules=(), bad=(row,),
        counts={"<u>why</u>": 1},
    )  # fmt: skip
    page = outcome_page(told)
    assert not [tag for tag in ("<i>", "<b>", "<u>", "<s>", "<img") if tag in page]
    assert "\\x00&lt;b&gt;7&lt;/b&gt;\\ud800" in page
