"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and reference cases beside the checkout; a test that needs it skips without it."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED.name}/ does not lie beside this checkout")
    return SHARED
