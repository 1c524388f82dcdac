"""The front page, Data Docs, reports and monitoring over HTTP on this machine: read-only, nothing else of `home`."""

from __future__ import annotations

import io
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from components.report.page import shared
from components.within import path_within
from flows.local.process import PortInUse
from flows.settings import LOOPBACK, Settings

SERVER_NAME = "recloop"


@contextmanager
def static_site(settings: Settings, front: Callable[[], str]) -> Iterator[dict[str, str]]:
    """Serve the pages until the block ends; yields title → address. Raises PortInUse.

    `front` draws the page that is found at the root, whenever somebody opens it.
    """
    try:
        server = ThreadingHTTPServer(
            (LOOPBACK, settings.docs_port), partial(_Pages, settings.page_folders, front)
        )
    except OSError as error:
        raise PortInUse("Data Docs and reports", settings.docs_port, "RECLOOP_DOCS_PORT") from error
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://{LOOPBACK}:{server.server_port}"
        try:
            yield {"Where it stands": f"{base}/"}
        finally:
            server.shutdown()


def show_page(reports: Path, page: Path, name: str) -> Path:
    """A published page among those of `reports`, under `name`; written there if other bytes are, or none.

    The published page stands alone; those of `reports` share one copy of plotly's bundle.
    """
    return show_text(reports, page.read_text(encoding="utf-8"), name)


def show_text(reports: Path, text: str, name: str) -> Path:
    """The same, of a page that is published nowhere else."""
    lean = shared(text)
    _written(reports / lean.script_name, lean.script)
    return _written(reports / name, lean.text)


def _written(path: Path, text: str) -> Path:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".part")
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    return path


def is_our_site(port: int) -> bool:
    """Whether what listens on this port is a `static_site`, of whatever home."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/", timeout=2.0) as answer:
            server = answer.headers.get("Server")
    except urllib.error.HTTPError as error:
        server = error.headers.get("Server")
    except OSError:
        return False
    return server == SERVER_NAME


class _Pages(SimpleHTTPRequestHandler):
    """The root is the front page; the first part of a path names one of `folders`, whose files alone are shown."""

    def __init__(self, folders: dict[str, Path], front: Callable[[], str], *arguments: Any) -> None:
        self._folders, self._front = folders, front
        super().__init__(*arguments)

    def send_head(self) -> Any:
        host = self.headers.get("Host", "").rpartition(":")[0]
        if host not in {LOOPBACK, "localhost"}:  # a foreign page that resolves its own name to this machine
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        asked = self.path.partition("?")[0]
        if asked == "/":
            return self._drawn()
        first, _, rest = asked.lstrip("/").partition("/")
        if first not in self._folders or not self._folders[first].is_dir():
            self.send_error(HTTPStatus.NOT_FOUND, "nothing is here yet; / says what there is")
            return None
        self.directory, self.path = str(self._folders[first]), f"/{rest.lstrip('/')}"
        try:
            path = path_within(self._folders[first], self.translate_path(self.path))
        except (OSError, ValueError):  # a link that leads elsewhere, or no name of a file
            self.send_error(HTTPStatus.NOT_FOUND, "this is no page; / says what there is")
            return None
        # the parent class makes another host of a path with two slashes
        if path.is_dir() and not asked.endswith("/"):
            below = quote(path.relative_to(self._folders[first].resolve()).as_posix())
            return self._elsewhere(f"/{first}/" if below == "." else f"/{first}/{below}/")
        return super().send_head()

    def list_directory(self, path: Any) -> Any:
        """No bare listing: the front page names what there is."""
        return self._elsewhere("/")

    def _elsewhere(self, place: str) -> Any:
        self.send_response(HTTPStatus.FOUND)
        self.send_header("Location", place)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def _drawn(self) -> Any:
        page = self._front().encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        return io.BytesIO(page)

    def version_string(self) -> str:
        return SERVER_NAME

    def log_message(self, *_arguments: Any) -> None:
        """Keep the terminal for the addresses."""
