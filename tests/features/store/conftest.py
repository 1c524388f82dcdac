"""Real feature stores in temporary folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.features.store.offline import lay_out
from components.features.store.opening import OpenStore, apply_definitions, open_store


@pytest.fixture(scope="session")
def applied(tmp_path_factory: pytest.TempPathFactory) -> OpenStore:
    """A store that is only read through its offline files, so that tests may share its registry."""
    opened = open_store(tmp_path_factory.mktemp("shared") / "feast")
    apply_definitions(opened, feature_set="f" * 12)
    return opened


@pytest.fixture
def offline(applied: OpenStore) -> OpenStore:
    """The shared store with its offline files emptied."""
    shutil.rmtree(applied.home / "offline")
    lay_out(applied.home)
    return applied


@pytest.fixture
def store(tmp_path: Path) -> OpenStore:
    """An empty store with the definitions applied."""
    opened = open_store(tmp_path / "feast")
    apply_definitions(opened, feature_set="f" * 12)
    return opened
