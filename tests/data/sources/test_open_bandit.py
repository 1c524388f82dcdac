"""Logged feedback from the Open Bandit sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.open_bandit import is_open_bandit, open_bandit_logs, read_open_bandit


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
