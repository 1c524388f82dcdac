"""New items among events and catalogue, and a feed that broke for them."""

from __future__ import annotations

import numpy as np
import pytest

from components.monitoring.limits import MonitorLimits
from components.monitoring.novelty import missing_measures, new_item_measures
from tests.monitoring.examples import NUM_ITEMS, fresh, training

LIMITS = MonitorLimits()
KNOWN = {f"i{item:02d}" for item in range(NUM_ITEMS)}


def masks(items: int, missing: int) -> dict[str, np.ndarray]:
    return {"image": np.arange(items) >= missing, "text": np.ones(items, dtype=bool)}


def test_known_items_only_are_in_order() -> None:
    events, catalogue = new_item_measures(training(), fresh(), KNOWN, KNOWN, LIMITS)
    assert (events.value, events.status) == (0.0, "ok")
    assert (catalogue.value, catalogue.status) == (0.0, "ok")


def test_shares_are_those_of_the_data() -> None:
    """20 of 60 items were not trained on; the events on them are counted one by one."""
    known = {item for item in KNOWN if int(item[1:]) < 40}
    now = fresh()
    events, catalogue = new_item_measures(training(), now, known, KNOWN, LIMITS)
    assert catalogue.value == pytest.approx(20 / 60)
    assert catalogue.status == "drift"
    assert events.value == pytest.approx((~now.events["item_id"].isin(known)).mean())
    assert events.num_current == len(now.events)
    assert events.status == "warn"


def test_few_events_clear_nobody() -> None:
    few = fresh(users=5)
    assert new_item_measures(training(), few, KNOWN, KNOWN, LIMITS)[0].status == "not evaluable"


def test_a_feed_that_broke_is_named() -> None:
    """30 % of 400 known items lack an image, and 70 % of 60 new ones; the text is all there."""
    image, text = missing_measures(masks(400, 120), masks(60, 42), LIMITS)
    assert (image.name, image.status) == ("missing/image", "drift")
    assert image.value == pytest.approx(0.7 - 0.3)
    assert (text.name, text.status) == ("missing/text", "ok")


@pytest.mark.parametrize(
    ("known", "new", "reason"),
    [
        (masks(400, 380), masks(60, 60), "95% of the known items lack it"),
        (masks(400, 0), masks(0, 0), "no item is new"),
        (masks(400, 0), masks(12, 12), "12 items"),
    ],
)
def test_what_cannot_rise_or_is_too_little_is_not_evaluable(known, new, reason: str) -> None:
    image, _ = missing_measures(known, new, LIMITS)
    assert image.status == "not evaluable"
    assert reason in image.reason


def test_false_alarms_of_a_missing_share_are_rare() -> None:
    """2,000 draws of 100 new items of a modality that a fifth lack: at .1 % two are expected beyond the noise."""
    rng = np.random.default_rng(0)
    known = rng.random(1000) > 0.2
    beyond = 0
    for _ in range(2000):
        (image,) = missing_measures({"image": known}, {"image": rng.random(100) > 0.2}, LIMITS)
        assert image.status != "drift"
        beyond += image.value > image.noise
    assert beyond <= 12
