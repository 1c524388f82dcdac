"""The page of what is reasoned about says what its formulas give."""

from pathlib import Path

from tests.benchmarks.many_workers import CLUSTERS, page, reduced_bytes

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "many-workers.md"


def test_the_page_holds_what_the_formulas_give():
    text = PAGE.read_text()
    for line in page():
        assert line in text


def test_a_ring_of_eight_sends_a_gradient_nearly_twice():
    """2 x 7/8 of 64 floats an item of ten million: 4.48 GB; one alone sends nothing."""
    assert round(reduced_bytes(8, True) / 1e9, 2) == 4.48
    assert reduced_bytes(CLUSTERS[0].ranks, True) == 0
