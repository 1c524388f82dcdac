"""Items' images for the report: read from where the source keeps them, absent where they are."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from flows.source import item_images

ITEMS = pd.DataFrame({"item_id": ["a", "b", "c"], "image_path": ["images/a.jpg", "images/gone.jpg", None]})


def test_an_image_is_read_and_a_missing_one_is_none(tmp_path: Path):
    """a has a file; the file of b has gone since; c never had one; d is no item."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"the bytes")
    read = item_images(ITEMS, str(tmp_path))
    assert read is not None
    assert [read(item) for item in "abcd"] == [b"the bytes", None, None, None]


def test_a_source_without_a_folder_has_no_images():
    assert item_images(ITEMS, None) is None
    assert item_images(ITEMS, "movielens") is None
