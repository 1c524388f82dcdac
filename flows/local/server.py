"""A server of a home: its command, its port, and the address that tells whether it is well."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_LOG_TAIL_LINES = 15


@dataclass(frozen=True, kw_only=True)
class LocalServer:
    """How one server is started, and how it is known to be well."""

    name: str
    title: str
    port: int
    port_variable: str
    health: str  # URL that answers 200
    command: tuple[str, ...]
    variables: Mapping[str, str]  # beside those of the process that starts it
    without: tuple[str, ...] = ()  # variables that it must not find
    record: Path  # of the process that runs it
    log: Path

    @property
    def environ(self) -> dict[str, str]:
        everything = os.environ | dict(self.variables)
        return {name: value for name, value in everything.items() if name not in self.without}

    @property
    def log_tail(self) -> str:
        """The end of its log, for a message."""
        return f"The end of {self.log}:\n{last_lines(self.log.read_text(errors='replace'))}"


def healthy(url: str) -> bool:
    """Whether this address answers 200 within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2.0) as answer:  # noqa: S310 - an address of our own
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-_LOG_TAIL_LINES:])
