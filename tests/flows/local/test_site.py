"""Pages over HTTP: the front page, the folders of pages, and nothing else; to this machine's own names only."""

from __future__ import annotations

import http.client
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

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


def place_after(pages: dict[str, str], path: str) -> str | None:
    """Where the site sends whoever asks for this path; None if it does not."""
    connection = http.client.HTTPConnection(urlsplit(pages["Where it stands"]).netloc, timeout=20)
    connection.request("GET", path)
    with connection.getresponse() as got:
        return got.getheader("Location")


@pytest.mark.parametrize("path", ["/reports//evil.example/..%2f", "/reports//evil.example/..", "//evil.example/..",
                                  "/data-docs//evil.example%2f..", "/reports/%2f/evil.example/..%2f"])  # fmt: skip
def test_nobody_is_sent_elsewhere(pages: dict[str, str], path: str) -> None:
    assert not (place_after(pages, path) or "").startswith(("//", "http"))


def test_a_folder_without_its_slash_is_found(pages: dict[str, str], tmp_path: Path) -> None:
    assert place_after(pages, "/reports/deep") == "/reports/deep/"
    assert place_after(pages, "/reports") == "/reports/"


def test_a_link_out_of_a_folder_is_no_page(pages: dict[str, str], tmp_path: Path) -> None:
    reports = settings_in(tmp_path).reports
    (reports / "secret.html").symlink_to(tmp_path / "secret.db")
    (reports / "round").symlink_to("round")
    for name in ("secret.html", "round", "a%00b"):
        assert answer(f"{pages['Where it stands']}reports/{name}")[0] == 404, name


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
