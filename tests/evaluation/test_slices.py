"""Parts of the evidence: who and what is in them."""

from __future__ import annotations

from components.evaluation.slices import popularity_thirds, standard_slices
from tests.evaluation.worlds import plan_of


def test_slices_of_items_share_the_truth_between_them(world):
    plan, _ = world
    parts = standard_slices(plan)
    names = ["cold_users", "head_items", "mid_items", "tail_items", "cold_items"]
    assert [part.name for part in parts] == names
    kept = sum(len(part.relevant(plan).items) for part in parts[1:4])
    assert kept == plan.counts.positives - plan.counts.uncovered_positives


def test_head_mid_and_tail_each_hold_a_third_of_the_train_events():
    """Events before T: p 4, q 3, r 2, s 2, t 1 of 12. p begins at 0, q at 4, r at 7, s at 9, t at 11.

    Thirds end at 4 and 8: p is head, q and r are mid, s and t are tail; v, never seen before T, is tail.
    """
    counts = {"p": 4, "q": 3, "r": 2, "s": 2, "t": 1}
    rows = [(f"u{n}", item, -9.0) for item, count in counts.items() for n in range(count)]
    plan = plan_of([*rows, ("u0", "v", 5.0)])
    assert popularity_thirds(plan).tolist() == [0, 1, 1, 2, 2, 2]
