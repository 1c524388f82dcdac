"""What `recloop arms` says is what presets and docs/arms.md say."""

import re
from typing import get_args

import pytest

from components.recommender import presets
from components.recommender.arm_facts import FACTS
from components.recommender.names import ArmName
from tests.recommender.test_arms_page import ROWS


def test_every_arm_has_facts_in_the_order_of_the_names():
    assert tuple(FACTS) == get_args(ArmName)


@pytest.mark.parametrize("name", FACTS)
def test_the_page_has_the_same_source_and_figure(name):
    facts, (row,) = FACTS[name], [row for row in ROWS if row[0] == f"`{name}`"]
    assert facts.source in row[1] or row[1] == "the same"
    assert re.fullmatch(r"(\.\d+) \((\d)\)", row[4]).groups() == (f"{facts.ndcg:g}"[1:], str(facts.seeds))  # type: ignore[union-attr]


@pytest.mark.parametrize("name", FACTS)
def test_the_preset_says_the_same_figure_and_cost(name):
    facts = FACTS[name]
    preset = getattr(presets, "paper_mmgrec" if name == "mmgrec_paper" else f"default_{name}")
    told = " ".join(preset.__doc__.split())
    assert f"NDCG@10 {facts.ndcg:.3f}".replace(" 0", " ") in told
    if facts.cpu_seconds >= 1:
        assert f"{facts.cpu_seconds:g} CPU seconds" in told
