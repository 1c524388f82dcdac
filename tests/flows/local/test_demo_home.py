"""Each dataset's demo lives in a folder of its own, and the last one is found again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.local.demo_home import enter_demo, enter_last_demo


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Iterator[Path]:
    before = dict(os.environ)
    os.environ["RECLOOP_HOME"] = str(tmp_path / "home")
    yield tmp_path / "home"
    os.environ.clear()
    os.environ |= before


@pytest.mark.parametrize(
    ("data", "folder"),
    [("movielens", ""), ("synthetic", "synthetic"), ("/data/My Shop (2024)", "my-shop-2024")],
)
def test_the_last_demo_is_entered_again(home: Path, data: str, folder: str) -> None:
    entered = enter_demo(data).home
    assert entered == (home / folder).resolve()
    os.environ["RECLOOP_HOME"] = str(home)
    assert enter_last_demo().home == entered
    assert os.environ["RECLOOP_HOME"] == str(entered)  # for the engines, and for child processes


def test_without_any_demo_it_is_the_home_given(home: Path) -> None:
    assert enter_last_demo().home == home.resolve()
