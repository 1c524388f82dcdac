"""Pages over HTTP: the front page, the folders of pages, and nothing else; to this machine's own names only."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.report.page import page
from flows.local.process import (
    PortInUse,
)
from flows.local.site import show_page, static_site
from flows.settings import LOOPBACK
from tests.flows.local.test_servers import answer, settings_in


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[dict[str, str]]:
    settings = settings_in(tmp_path)
    settings.data_docs.parent.mkdir(parents=True)
    settings.data_docs.write_text("<h1>docs</h1>")
    (tmp_path / "secret.db").write_text("secret")
    (settings.reports / "deep").mkdir(parents=True)
    with static_site(settings, lambda: "<h1>where it stands</h1>") as addresses:
        yield addresses


def test_data_docs_are_served_and_nothing_else(pages: dict[str, str]) -> None:
    base = pages["Where it stands"]
    docs = f"{base}data-docs/index.html"
    assert answer(docs) == (200, "<h1>docs</h1>")
    for path in ("", "?asked=1", "reports/", "reports/deep/"):  # a folder without a page is no bare listing
        assert answer(base + path) == (200, "<h1>where it stands</h1>"), path
    for path in ("secret.db", "data-docs/../secret.db", "data-docs/%2e%2e/%2e%2e/secret.db", "monitoring/"):
        assert answer(base + path)[0] == 404, path
    assert answer(docs, Host="attacker.example.org:80")[0] == 403


def test_the_pages_port_in_use_is_named(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with http.server.HTTPServer(
        (LOOPBACK, settings.docs_port), http.server.BaseHTTPRequestHandler
    ) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        with (
            pytest.raises(PortInUse, match=f"RECLOOP_DOCS_PORT={settings.docs_port + 1}"),
            static_site(settings, str),
        ):
            pass
        stranger.shutdown()


def sheet(told: str) -> str:
    return page(title=told, claim="A page.", header="<h1>A page</h1>", sections=[])


def test_a_page_is_shown_once_and_anew_when_it_changed(tmp_path: Path) -> None:
    drawn, reports = tmp_path / "report.html", tmp_path / "reports"
    drawn.write_text(sheet("first"))
    shown = show_page(reports, drawn, "r.html")
    before = shown.stat().st_mtime_ns
    assert show_page(reports, drawn, "r.html").stat().st_mtime_ns == before
    drawn.write_text(sheet("drawn anew"))
    assert "drawn anew" in show_page(reports, drawn, "r.html").read_text()
    show_page(reports, drawn, "another.html")
    (script,) = reports.glob("plotly-*.js")
    assert sorted(path.name for path in reports.iterdir()) == ["another.html", script.name, "r.html"]
    assert len(drawn.read_bytes()) > script.stat().st_size > 1_000_000 > shown.stat().st_size
