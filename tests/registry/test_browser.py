"""A reviewer opens MLflow's own page of a version in a browser, sets the tag there, and the champion moves."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Browser, Page, sync_playwright

from components.data.ledger import promotions
from components.data.warehouse import Engine
from components.registry.policy import PromotionPolicy
from components.registry.receiver import receiving
from components.registry.versions import aliases
from components.registry.webhook import ensure_webhook, remove_webhook
from tests.registry.conftest import tagged_version
from tests.registry.servers import seconds_until
from tests.registry.test_watcher import NEVER, watching

PROMISED_SECONDS = 10.0
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
CHROMIUM = next(
    filter(None, (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))), None
)

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no chromium, chromium-browser or google-chrome is installed (apt-get install chromium)",
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


def set_tag(page: Page, name: str, value: str) -> None:
    """Write a tag on the open page of a version, as a person does."""
    page.get_by_test_id("tags-form-input-name").fill(name, timeout=60_000)
    page.get_by_test_id("tags-form-input-value").fill(value)
    page.get_by_test_id("add-tag-button").click()
    page.get_by_test_id("editable-table").get_by_text(name, exact=True).wait_for()


def look(page: Page, folder: Path, name: str) -> None:
    """A screenshot; also into RECLOOP_SCREENSHOTS, for whoever wants to see."""
    page.screenshot(path=str(folder / f"{name}.png"))
    if kept := os.environ.get("RECLOOP_SCREENSHOTS"):
        shutil.copy(folder / f"{name}.png", kept)


def test_a_tag_set_on_mlflows_page_moves_the_champion(
    chromium: Browser, server: str, warehouse_url: str, warehouse: Engine, tmp_path: Path
):
    """Two persons are asked for: the approval alone does nothing, the name beside it does."""
    model = "in-the-browser"
    tagged_version(model, verdict="HOLD", **{"recloop.started_by": "ada"})
    policy = PromotionPolicy(mode="approve", two_person=True)
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    with (
        watching(warehouse_url, model, poll_seconds=NEVER, policy=policy) as watched,
        receiving("secret", lambda _: watched.wake.set()) as url,
    ):
        ensure_webhook(model_name=model, url=url, secret="secret")
        page.goto(f"{server}/#/models/{model}/versions/1")
        set_tag(page, "validation_status", "approved")
        seconds_until(lambda: "refused" in watched.kinds(), at_most=PROMISED_SECONDS)
        assert aliases(model) == {}
        set_tag(page, "approved_by", "grace")
        began = time.monotonic()
        seconds_until(lambda: aliases(model) == {"champion": "1"}, at_most=PROMISED_SECONDS)
        assert time.monotonic() - began < PROMISED_SECONDS
        look(page, tmp_path, "approved")
        page.reload()
        page.get_by_text("champion").first.wait_for(timeout=60_000)
        look(page, tmp_path, "champion")
    remove_webhook(model)
    assert MlflowClient().get_model_version(model, "1").tags["approved_by"] == "grace"
    (entry,) = promotions(warehouse, model)
    assert (entry.actor, entry.verdict, entry.evidence["approver"]) == ("grace", "HOLD", "grace")
