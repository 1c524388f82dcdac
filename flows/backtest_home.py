"""The home of a back-test: a warehouse, artifacts, features and a registered model of its own, inside the home given.

Whatever a cycle does in it, production's champion, ledgers, online features and cycles stay as they are. Servers,
sources and the cache of item vectors are shared.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.engine_environment import apply_environment
from flows.settings import Settings, load_settings

FOLDER = "backtests"
_STORES = (
    "RECLOOP_FEAST_REGISTRY_URL",
    "RECLOOP_FEAST_OFFLINE_URL",
    "RECLOOP_FEAST_ONLINE_URL",
    "RECLOOP_ARTIFACTS_URL",
)
_SHARED = ("sources", "vectors")


def backtest_homes(settings: Settings) -> list[str]:
    """Names of those that hold a warehouse."""
    return sorted(path.parent.name for path in (settings.home / FOLDER).glob("*/warehouse.db"))


@contextmanager
def inside_backtest(name: str) -> Iterator[Settings]:
    """Make the back-test's home this process's, for the block."""
    outer = load_settings()
    home = outer.home / FOLDER / name
    home.mkdir(parents=True, exist_ok=True)
    for folder in _SHARED:
        _share(outer.home / folder, home / folder)
    before = dict(os.environ)
    os.environ.update(_environment(outer, home, name))
    try:
        settings = load_settings()
        apply_environment(settings)
        yield settings
    finally:
        for variable in {*os.environ, *before}:
            if variable in before:
                os.environ[variable] = before[variable]
            else:
                del os.environ[variable]


def _environment(outer: Settings, home: Path, name: str) -> dict[str, str]:
    return {
        "RECLOOP_HOME": str(home),
        "RECLOOP_WAREHOUSE_URL": f"sqlite:///{home / 'warehouse.db'}",
        "RECLOOP_ARTIFACTS": str(home / "artifacts"),
        "RECLOOP_GX_ROOT": str(home / "gx"),
        "RECLOOP_FEAST_HOME": str(home / "feast"),
        **dict.fromkeys(
            _STORES, "local"
        ),  # production's features and artifacts stay as they are, whatever .env names
        "RECLOOP_EVENTS_SPOOL": str(home / "events"),
        "RECLOOP_EXPOSURES": str(home / "exposures"),
        "RECLOOP_MODEL_NAME": f"{outer.model_name}-backtest-{name}",
        "RECLOOP_PROMOTION_POLICY": "auto",  # nobody is asked about the past
        "RECLOOP_TWO_PERSON_RULE": "false",
        "RECLOOP_PREFECT_HOME": str(outer.prefect_home),
        "PREFECT_API_URL": outer.prefect_api_url,
        "MLFLOW_TRACKING_URI": outer.mlflow_tracking_uri,
    }


def _share(theirs: Path, ours: Path) -> None:
    theirs.mkdir(parents=True, exist_ok=True)
    if not ours.exists():
        ours.symlink_to(theirs, target_is_directory=True)
