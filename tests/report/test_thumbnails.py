"""Images: small, once each, within the budget."""

from __future__ import annotations

import io
import subprocess
import sys

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


def test_a_small_file_of_a_vast_image_is_left_out():
    """492 kB that would fill 1.9 GB; a process of its own, so that its peak is its own."""
    source = """
import io, resource, sys
from PIL import Image
from components.report.thumbnails import thumbnail
vast = io.BytesIO()
Image.new("L", (13_000, 13_000)).save(vast, "PNG")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert thumbnail(vast.getvalue()) is None
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 50_000  # kB, over the image that was made


def test_a_kind_of_file_that_starts_a_program_is_left_out():
    written = io.BytesIO()
    Image.new("RGB", (8, 8)).save(written, "EPS")
    assert thumbnail(written.getvalue()) is None


def test_the_budget_goes_to_what_is_shown_most():
    shown = ["i01", "i02", "i02", "i03", "i03", "i03"]
    whole = thumbnails(shown, picture, budget_bytes=10**6)
    assert set(whole.classes) == {"i01", "i02", "i03"}
    assert whole.style.count("base64,") == 3  # once each, however often it is shown
    little = thumbnails(shown, picture, budget_bytes=len(whole.style.splitlines()[0]))
    assert (set(little.classes), little.wanted) == ({"i03"}, 3)


def test_without_images_there_is_no_style_for_them():
    assert thumbnails(["i01"], None, budget_bytes=10**6).style == ""
