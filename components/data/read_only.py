"""A warehouse that may be read and not written: a home on a read-only disk, of another user, or a copy kept away."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine


def read_only_url(address: URL) -> str | None:
    """The address by which SQLite reads a file where it may write nothing; None if it may write, or there is none.

    A reader of a WAL database makes a file beside it. Where it may not, and nobody who writes has left one, the
    database is read as one that nobody changes.
    """
    if address.get_backend_name() != "sqlite" or not address.database or address.database == ":memory:":
        return None
    path = Path(address.database).absolute()
    if not path.is_file() or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return None
    return f"sqlite:///file:{quote(str(path))}?mode=ro&uri=true"


def read_only_engine(url: str) -> Engine:
    """An engine on what `read_only_url` gave. Each connection looks anew whether somebody writes there."""
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    engine = create_engine(url, poolclass=NullPool)

    @event.listens_for(engine, "do_connect")
    def on_connect(dialect: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> None:
        path = Path(unquote(str(engine.url.database).removeprefix("file:")))
        still = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
        arguments[0] = f"file:{quote(str(path))}?mode=ro{still}"

    return engine


def is_read_only(engine: Engine) -> bool:
    """Whether this warehouse was opened only to be read."""
    return engine.url.query.get("mode") == "ro"
