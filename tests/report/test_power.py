"""The power curve passes through what was announced."""

from __future__ import annotations

import numpy as np
import pytest

from components.report.power import ALONE, WHOLE_GATE
from tests.report.reading import drawn
from tests.report.reported import judged, page


def test_power_curve_passes_through_what_was_announced():
    """At the minimum detectable effect the test's curve stands at the profile's power, 80 %; at the effect of
    interest the whole gate's stands where `satisfiability` says."""
    result = judged()
    lines = {line.get("name"): line for plot in drawn(page()) for line in plot["data"]}
    found = next(c for c in result.comparisons if (c.baseline, c.metric) == ("good", "ndcg@10"))
    x, y = lines[ALONE]["x"], lines[ALONE]["y"]
    assert np.interp(found.mde, x, y) == pytest.approx(0.8, abs=0.002)
    assert y[0] == pytest.approx(0.025, abs=1e-6)  # no difference is "found" at the one-sided alpha
    gate, promotion = lines[WHOLE_GATE], result.satisfiability.promotion
    assert np.interp(promotion.effect, gate["x"], gate["y"]) == pytest.approx(promotion.power, abs=0.01)
