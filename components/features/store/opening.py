"""Open the feature store under a folder, and bring its registry in line with feature_repo/.

Feast reads its addresses from feature_repo/feature_store.yaml, in which ${RECLOOP_FEAST_HOME} is the folder; where
the environment names services (see `addresses`), from services.yaml beside it.
Feast 0.67 sends no telemetry of its own.
"""

from __future__ import annotations

import os
import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from components.features.store import addresses
from components.features.store.feast_unchecked import (
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    RepoConfig,
)
from components.features.store.offline import lay_out

REPOSITORY = Path(__file__).resolve().parents[3] / "feature_repo"
RUNS_BY_PATH = "feature_repo"  # read by path, not by import: counts as code of whoever imports this


@dataclass(frozen=True, kw_only=True)
class OpenStore:
    """A feature store and the folder that its state lies in."""

    home: Path
    feast: FeatureStore


def open_store(
    home: Path, *, repository: Path = REPOSITORY, ties_runs: bool = False, online_only: bool = False
) -> OpenStore:
    """Open the store under `home`, made if absent; nothing can be read before `apply_definitions`.

    Raises StoreAddressWrong.

    With `ties_runs` Feast's own integration writes the feature service of a retrieval into the MLflow run that is
    active in this thread, of the server that MLFLOW_TRACKING_URI names. `online_only`: no training data can be read,
    and what reads them is not loaded.
    """
    home = home.resolve()
    lay_out(home)
    services = addresses.variables(home) if addresses.names_services() else {}
    file = repository / ("services.yaml" if services else "feature_store.yaml")
    with _environment(RECLOOP_FEAST_HOME=str(home), **services):
        if online_only and not services:
            feast = FeatureStore(config=_online_only(home, file))
        else:
            feast = FeatureStore(repo_path=str(home), fs_yaml_file=file)
    feast.config.mlflow.enabled = feast.config.mlflow.enabled or ties_runs
    if feast.config.online_store.type == "sqlite":
        _spare_other_stores()
    return OpenStore(home=home, feast=feast)


def apply_definitions(store: OpenStore, *, feature_set: str, repository: Path = REPOSITORY) -> None:
    """What `feast apply` does: registry and online tables follow feature_repo/definitions.py.

    The feature services carry `feature_set`, the id of the feature set they stand for, as a tag.
    """
    with _environment(RECLOOP_FEAST_HOME=str(store.home), RECLOOP_FEATURE_SET=feature_set):
        defined = runpy.run_path(str(repository / "definitions.py"))
    kinds = (Entity, FeatureView, FeatureService)
    store.feast.apply([value for value in defined.values() if isinstance(value, kinds)])


def _spare_other_stores() -> None:
    """Tell Feast's SQLite store that it reads by version, which it does.

    Else the first read imports every online store that Feast has, PostgreSQL's and Redis's with their clients (0.7 CPU
    seconds), to look whether SQLite's is one of those that do.
    """
    from feast.infra.online_stores.sqlite import SqliteOnlineStore

    SqliteOnlineStore._versioned_read_supported = True


def _online_only(home: Path, file: Path) -> RepoConfig:
    """What the file says, but for the offline store."""
    from components.features.store.online_only import TYPE

    told = yaml.safe_load(os.path.expandvars(file.read_text()))
    config = RepoConfig(**told | {"offline_store": {"type": TYPE}})
    config.repo_path = home
    return config


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Set variables for as long as Feast reads its files: two stores in one process must not mix."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
