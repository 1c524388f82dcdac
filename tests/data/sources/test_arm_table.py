"""A file of lists by version: what it must have, and whatever is amiss named."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.arm_table import read_arm_table

HEADER = "version,reward,propensity,context_age,user_id,note\n"


def test_columns_are_read_by_kind_and_others_left(tmp_path: Path):
    """Versions and users are text with their zeros, numbers are numbers, and a parquet file is the same."""
    (tmp_path / "a.csv").write_text(HEADER + "02,1,.5,31.5,007,x\n10,0,.25,4,8,y\n")
    found = read_arm_table(tmp_path / "a.csv")
    assert found.to_dict("list") == {
        "version": ["02", "10"], "reward": [1, 0], "propensity": [0.5, 0.25], "context_age": [31.5, 4],
        "user_id": ["007", "8"],
    }  # fmt: skip
    found.to_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(read_arm_table(tmp_path / "a.parquet"), found)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version,reward,context_age\n1,0,3\n", "no column 'propensity'"),
        ("version,reward,propensity,age\n1,0,.5,3\n", "no column begins with 'context_'"),
        (HEADER + "1,0,.5,young,7,x\n", "1 of 1 values of 'context_age' are no numbers; the first is row 0"),
        (HEADER + ",0,.5,3,7,x\n", "1 of 1 rows have no version"),
    ],
)
def test_what_is_amiss_is_named(tmp_path: Path, text: str, told: str):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataContractError, match=told):
        read_arm_table(tmp_path / "a.csv")


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(SourceUnavailable, match="is not there"):
        read_arm_table(tmp_path / "none.csv")
