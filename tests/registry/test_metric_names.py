"""Every figure that a run tells has a name that MLflow takes, and a meaning; docs/reference/mlflow.md says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mlflow.utils.validation import _validate_metric_name

from components.measures import MEANINGS
from components.registry.metric_names import (
    arm_metric,
    cost_metric,
    curve_metric,
    ids_meaning,
    ids_metric,
    lead_metric,
    meaning,
    meanings_table,
    replay_metric,
)
from components.registry.run_facts import Cost

HEALTH = ["collisions", "largest_collision", "collisions_unspread", "moved", "reconstruction_error"]
HEALTH += [f"{name}_{level}" for name in ("usage", "perplexity") for level in (1, 3)]
HEALTH += [f"{name}_1{more}" for name in ("co_interaction", "category") for more in ("", "_permuted", "_z")]
HEALTH += ["stability_common", "stability_identical", "stability_rand_1"]
NAMES = [
    *(replay_metric(f"{stem}@10") for stem in MEANINGS),
    *(arm_metric("popularity", f"{stem}@50") for stem in MEANINGS),
    *map(ids_metric, HEALTH),
    *map(cost_metric, Cost.__dataclass_fields__),
    *(lead_metric("champion", bound) for bound in ("", "low", "high")),
    *(curve_metric("mmgrec", figure) for figure in ("loss", "validation_ndcg")),
]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "mlflow.md"


@pytest.mark.parametrize("name", NAMES)
def test_mlflow_takes_the_name_and_a_person_is_told_what_it_is(name: str):
    _validate_metric_name(name)
    assert meaning(name)


def test_no_two_figures_share_a_name():
    assert len(set(NAMES)) == len(NAMES)


def test_worked_examples():
    assert replay_metric("ndcg@10") == "replay/NDCG at 10"
    assert arm_metric("popularity", "hr@10") == "arms/popularity Hit rate at 10"
    assert ids_metric("category_2_z") == "semantic IDs/shared categories at depth 2 above chance"
    assert ids_meaning("usage_1") == "share of the codes of this level that an item has"
    assert ids_metric("of_tomorrow") == "semantic IDs/of_tomorrow"
    assert meaning("replay/NDCG at 50") == "hits in the first 50, weighted by rank; 1 is the best order"
    assert meaning("somebody/else's") == ""
    assert meanings_table(["nobody's"]) == ""


def test_the_docs_name_every_metric():
    """A level or a cut stands there as a number: 1 and 10."""
    told = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", DOCS.read_text(), flags=re.MULTILINE))
    wanted = {name for name in NAMES if not re.search(r"at level 3|at 50", name)}
    wanted |= {arm_metric("popularity", "ndcg@10")}
    assert {name: meaning(name) for name in wanted} == told
