"""Every figure and slice that a replay reports has a name and a meaning for its reader."""

from __future__ import annotations

from components.measures import meaning_of, name_of, slice_meaning, slice_name
from tests.report.reported import judged


def test_everything_that_is_reported_is_explained():
    result = judged()
    figures = {mean.metric for mean in result.arms} | set(result.list_figures["better"])
    assert not [name for name in figures if not meaning_of(name)]
    assert not [name for name in result.slice_users if not slice_meaning(name)]


def test_worked_examples():
    assert name_of("ndcg@10") == "NDCG@10"
    assert name_of("recall_tail_items@10") == "Recall tail items@10"
    assert meaning_of("recall@50") == "share of what the user did that stands in the first 50"
    assert (meaning_of("unheard_of@5"), slice_meaning("unheard of")) == ("", "")
    assert slice_name("cold_users") == "cold users"
