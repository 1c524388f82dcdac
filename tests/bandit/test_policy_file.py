"""A policy that is read again draws as the one that was written; whatever is not one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from components.bandit.arm_policy import learn
from components.bandit.policy_file import PolicyFileUnreadable, SavedPolicy, read_policy, write_policy
from tests.bandit.worlds import HalvesWorld


@pytest.fixture
def saved() -> SavedPolicy:
    policy = learn(HalvesWorld().draw(500, 0), ("1", "2"))
    return SavedPolicy(policy=policy, popular=("i1", "i2"), outcome="HOLD")


def test_written_and_read_it_is_the_same(saved: SavedPolicy, tmp_path: Path):
    write_policy(saved, path := tmp_path / "policy.json")
    again = read_policy(path)
    assert again == saved
    context = HalvesWorld().draw(50, 1).context
    assert np.array_equal(again.policy.probabilities(context), saved.policy.probabilities(context))
    assert [found.name for found in tmp_path.iterdir()] == ["policy.json"]


def test_what_is_no_policy_is_refused_with_the_mend(saved: SavedPolicy, tmp_path: Path):
    write_policy(saved, path := tmp_path / "policy.json")
    told = json.loads(path.read_text())
    damaged = {
        "missing": None,
        "no json": "{",
        "a list": "[]",
        "no digest": json.dumps({name: value for name, value in told.items() if name != "digest"}),
        "another figure": json.dumps(told | {"outcome": "PROMOTE"}),
    }
    for name, text in damaged.items():
        broken = tmp_path / f"{name}.json"
        if text is not None:
            broken.write_text(text)
        with pytest.raises(PolicyFileUnreadable, match=r"recloop bandit --to"):
            read_policy(broken)
