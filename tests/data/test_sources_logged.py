"""Logged feedback from files: a table of one's own, and the Open Bandit sample."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.logged_table import read_logged_table
from components.data.sources.open_bandit import is_open_bandit, open_bandit_logs, read_open_bandit

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


# --- Open Bandit ---------------------------------------------------------------------------------------


def write_sample(folder: Path, rows: str, name: str = "open_bandit_bts_men.csv") -> Path:
    header = "log,campaign,position,item_id,click,propensity,pi_e,eval_policy\n"
    (folder / "item_context_men.csv").write_text("item_id,item_feature_0\n0,.1\n1,.2\n2,.3\n3,.4\n")
    (folder / name).write_text(header + rows)
    return folder / name


def test_the_random_policy_is_even_over_the_campaigns_items(tmp_path: Path) -> None:
    log = write_sample(tmp_path, "bts,men,0,3,1,0.5,0.25,random\nbts,men,2,1,0,0.125,0.25,random\n")
    found = read_open_bandit(log)
    assert (found.logging_policy, found.target_policy) == ("bts", "random")
    assert found.policy is not None
    assert found.policy["probability"].tolist() == [0.25] * 4
    assert found.rows["reward"].tolist() == [1, 0]
    assert open_bandit_logs(tmp_path) == (log,)
    assert is_open_bandit(log)
    assert not is_open_bandit(tmp_path / "item_context_men.csv")


def test_two_logs_in_one_file_and_a_missing_policy(tmp_path: Path) -> None:
    with pytest.raises(DataContractError, match="column 'campaign' holds 2 values"):
        read_open_bandit(
            write_sample(tmp_path, "bts,men,0,3,1,0.5,0.25,random\nbts,all,0,3,1,0.5,0.25,random\n")
        )
    with pytest.raises(SourceUnavailable, match=r"pi_bts_men\.csv is not there"):
        read_open_bandit(write_sample(tmp_path, "random,men,0,3,1,0.25,0.5,bts\n"))
    (tmp_path / "open_bandit_x_y.csv").write_text("log,click,item_id,position,propensity\n")
    with pytest.raises(DataContractError, match="no column 'pi_e'"):
        read_open_bandit(tmp_path / "open_bandit_x_y.csv")


@pytest.mark.shared_data
def test_the_sample(shared: Path) -> None:
    """Counts of SOURCE.md; a weight that the default parser would move across a threshold."""
    logs = open_bandit_logs(shared / "data" / "open_bandit_sample")
    assert len(logs) == 6
    clicks, weights = {}, []
    for log in logs:
        found = read_open_bandit(log)
        assert len(found.rows) == 10_000
        assert found.policy is not None
        weights.append(found.rows["target_propensity"] / found.rows["propensity"])
        clicks[found.source.removeprefix("open_bandit_")] = int(found.rows["reward"].sum())
    assert clicks == {
        "bts_all": 42, "bts_men": 69, "bts_women": 46, "random_all": 38, "random_men": 46, "random_women": 46,
    }  # fmt: skip
    assert any((weight == 1.0000000000000018).any() for weight in weights)
