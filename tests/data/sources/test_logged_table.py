"""Logged feedback from a table of one's own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.logged_table import read_logged_table

LOG = (
    "item_id,reward,propensity,target_propensity,user_id,colour\n007,1,0.5,0.25,u1,red\n8,0,0.25,1,u2,blue\n"
)


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    """Ids stay text, numbers keep every digit, other columns are ignored."""
    (tmp_path / "mine.csv").write_text(LOG.replace("0.25,u1", "0.1234567890123456,u1"))
    found = read_logged_table(tmp_path / "mine.csv")
    assert list(found.rows) == ["item_id", "reward", "propensity", "target_propensity", "user_id"]
    assert found.rows["item_id"].tolist() == ["007", "8"]
    assert found.rows["target_propensity"].tolist() == [0.1234567890123456, 1.0]
    assert (found.source, found.policy) == ("mine", None)


def test_parquet_holds_the_same(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(LOG)
    of_csv = read_logged_table(tmp_path / "mine.csv").rows
    of_csv.to_parquet(tmp_path / "mine.parquet")
    pd.testing.assert_frame_equal(read_logged_table(tmp_path / "mine.parquet").rows, of_csv)


def test_a_target_policy_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(LOG)
    (tmp_path / "fresh.csv").write_text("item_id,position,probability\n007,0,0.25\n8,0,0.75\n")
    found = read_logged_table(tmp_path / "mine.csv", tmp_path / "fresh.csv")
    assert found.target_policy == "fresh"
    assert found.policy is not None
    assert found.policy["probability"].tolist() == [0.25, 0.75]
    assert found.policy["item_id"].tolist() == ["007", "8"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("item_id,reward,propensity\n1,1,0.5\n", "no column 'target_propensity'; found 'item_id', 'reward'"),
        (LOG.replace("0.25,1,u2", "often,1,u2"), r"1 of 2 values of 'propensity' are no numbers; .* row 1: 'often'"),
        ("", "cannot be read as csv"),
    ],
)  # fmt: skip
def test_bad_tables(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "bad.csv").write_text(content)
    with pytest.raises(DataContractError, match=told):
        read_logged_table(tmp_path / "bad.csv")


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match=r"gone\.csv is not there"):
        read_logged_table(tmp_path / "gone.csv")
    (tmp_path / "bad.parquet").write_text("no parquet")
    with pytest.raises(DataContractError, match="cannot be read as parquet"):
        read_logged_table(tmp_path / "bad.parquet")
