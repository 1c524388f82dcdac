"""A home's secrets are made once, and only their owner reads them."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flows.local.secrets import kept_secret


def test_a_secret_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    numbers = itertools.count()
    path = tmp_path / "new" / "secret"
    assert kept_secret(path, lambda: f"s{next(numbers)}") == "s0"
    assert kept_secret(path, lambda: f"s{next(numbers)}") == "s0"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret"]


def test_many_at_once_keep_the_same(tmp_path: Path) -> None:
    numbers = itertools.count()
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: kept_secret(tmp_path / "s", lambda: f"s{next(numbers)}"), range(32)))
    assert len(found) == 1
