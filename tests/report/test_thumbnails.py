"""Images: small, once each, within the budget."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from components.report.thumbnails import thumbnail, thumbnails
from tests.report.reported import picture


def test_a_thumbnail_fits_its_box_and_keeps_its_shape():
    """120 x 180 into 60 x 72: the height rules, 48 x 72."""
    small = thumbnail(picture("i03"))
    assert small is not None
    with Image.open(io.BytesIO(small)) as opened:
        assert (opened.format, opened.size) == ("JPEG", (48, 72))


@pytest.mark.parametrize("broken", [None, b"", b"no image", b"\x89PNG\r\n\x1a\n", picture("i01")[:60]])
def test_what_is_no_image_is_left_out(broken):
    assert thumbnail(broken) is None


def test_the_budget_goes_to_what_is_shown_most():
    shown = ["i01", "i02", "i02", "i03", "i03", "i03"]
    whole = thumbnails(shown, picture, budget_bytes=10**6)
    assert set(whole.classes) == {"i01", "i02", "i03"}
    assert whole.style.count("base64,") == 3  # once each, however often it is shown
    little = thumbnails(shown, picture, budget_bytes=len(whole.style.splitlines()[0]))
    assert (set(little.classes), little.wanted) == ({"i03"}, 3)


def test_without_images_there_is_no_style_for_them():
    assert thumbnails(["i01"], None, budget_bytes=10**6).style == ""
