"""The home of a demo: one warehouse holds one dataset, so each dataset's demo lives in a folder of its own."""

from __future__ import annotations

import os
import re
from pathlib import Path

from flows.engine_environment import apply_environment
from flows.settings import Settings, load_settings

_LAST = "last-demo"  # file in the home given: the folder, relative to it, of the demo that ran last


def enter_demo(data: str) -> Settings:
    """Make the home of the demo on `data` this process's home, and note it as the last one."""
    given = load_settings().home
    folder = "" if data == "movielens" else re.sub(r"[^a-z0-9]+", "-", Path(data).name.lower()).strip("-")
    given.mkdir(parents=True, exist_ok=True)
    (given / _LAST).write_text(folder)
    return _enter(given / folder)


def enter_last_demo() -> Settings:
    """Make the home of the demo that ran last this process's home; the home given, if none ran."""
    given = load_settings().home
    noted = given / _LAST
    return _enter(given / noted.read_text().strip()) if noted.exists() else load_settings()


def _enter(home: Path) -> Settings:
    os.environ["RECLOOP_HOME"] = str(home)
    os.environ["RECLOOP_ARTIFACTS_URL"] = "local"  # a demo keeps out of the object store of a team
    settings = load_settings()
    apply_environment(settings)
    return settings
