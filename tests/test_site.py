"""The site of docs/: built strictly, whole, and open to a reader who has a folder and no network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import sync_playwright

from flows.settings import Settings
from tests.browsing import CHROMIUM, FLAGS

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / ".site"
_MADE_OF = ("docs", "infra/docs", "components", "flows")
_LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


@pytest.fixture(scope="module")
def site() -> Path:
    """What `make docs` made, made now if anything changed since."""
    index = SITE / "index.html"
    if not index.exists() or index.stat().st_mtime < _last_change():
        words = ("-m", "mkdocs", "build", "--strict", "--config-file", "infra/docs/mkdocs.yml")
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    return SITE


def _last_change() -> float:
    files = [ROOT / ".env.example", *(path for folder in _MADE_OF for path in (ROOT / folder).rglob("*"))]
    return max(path.stat().st_mtime for path in files if path.suffix != ".pyc" and path.is_file())


class Elements(HTMLParser):
    """What a page loads, links to, and can be linked at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if (name := _LOADED.get(tag)) and name in told and told.get("rel") != "canonical":
            self.loads.append(told[name])
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        self.ids |= {told[name] for name in ("id", "name") if name in told}


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Elements]:
    return {path: Elements(path.read_text()) for path in site.rglob("*.html") if path.name != "404.html"}


def test_no_page_loads_anything_from_a_network(pages: dict[Path, Elements], site: Path) -> None:
    for path, page in pages.items():
        assert page.loads, path
        assert [one for one in page.loads if urlsplit(one).scheme not in ("", "data")] == [], path
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?https?:", style.read_text()), style


def test_every_link_and_anchor_leads_somewhere(pages: dict[Path, Elements]) -> None:
    """Those of generated tables and of docstrings too, which the strict build may not know."""
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path}: {link}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].ids | {"__skip", ""}, f"{path}: {link}"


def test_no_page_is_left_with_what_the_build_should_have_written(pages: dict[Path, Elements]) -> None:
    assert len(pages) > 50
    for path in pages:
        assert "the build writes" not in path.read_text(), path


def test_the_reference_holds_what_the_code_has(site: Path) -> None:
    from typer.main import get_command

    from components.data import schema
    from flows.cli.app import app

    def text(name: str) -> str:
        return (site / "reference" / name).read_text()

    for name in get_command(app).commands:  # type: ignore[attr-defined]
        assert f'id="recloop-{name}"' in text("commands.html"), name
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else f"RECLOOP_{name.upper()}"
        assert f"<code>{variable}</code>" in text("settings.html"), variable
    for table in schema.metadata.tables.values():
        assert f'id="{table.name}"' in text("columns.html"), table.name
    assert "digest of the window's snapshot" in text("columns.html")  # a comment of the schema
    for code in ("unknown_item", "naive_timestamp", "conflicting_payload", "duplicate_item"):
        assert f"<code>{code}</code>" in text("reason-codes.html")
    api = text("api/evaluation.html")
    assert 'id="components.evaluation.gate.decide"' in api
    assert "share of users whom the challenger or a baseline gave no list at all" in api  # behind a field


def test_phrases_of_a_verdict_are_those_of_the_gate() -> None:
    """What the page of reason codes quotes stands in the code, in parts around what is filled in."""
    page = (ROOT / "docs" / "reference" / "reason-codes.md").read_text().split("## Of a verdict")[1]
    gate = " ".join((ROOT / "components" / "evaluation" / "gate.py").read_text().split())
    gate = re.sub(r'" f?"', "", gate)
    quoted = [
        part.strip()
        for one in re.findall(r'"([^"\n]+)"', page.split("## Of a live")[0])
        for part in one.split("…")
    ]
    assert len(quoted) > 20
    assert [part for part in quoted if part.strip(" ;:,") not in gate] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_of_pages_outside_docs_lead_to_files(name: str) -> None:
    text = (ROOT / name).read_text()
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        assert urlsplit(link).scheme or (ROOT / link).exists(), link


# --- in a browser -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asked(site: Path) -> tuple[list[str], list[str]]:
    """The start page opened from its folder and searched: addresses that were asked for, titles that were found."""
    if CHROMIUM is None:
        pytest.skip("no chromium, chromium-browser or google-chrome is installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}).new_page()
        addresses: list[str] = []
        page.on("request", lambda request: addresses.append(request.url))
        page.goto((site / "index.html").as_uri())
        page.locator("input[name=query]").focus()
        page.locator("input[name=query]").press_sequentially("quarantine")
        found = page.locator(".md-search-result__item")
        found.first.wait_for(timeout=60_000)
        titles = found.locator("h1").all_inner_texts()
        browser.close()
    return addresses, titles


def test_search_works_from_a_folder_without_a_network(asked: tuple[list[str], list[str]]) -> None:
    addresses, titles = asked
    assert {urlsplit(address).scheme for address in addresses} <= {"file", "data", "blob", "about"}
    assert titles
