"""What an encoder is given: content under the hash of its bytes, and no file from outside the source."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from components.features.encoders.content import file_content, text_content
from components.within import path_within
from tests.features.rows import items


def test_texts_are_known_by_their_hash_and_an_empty_one_is_nothing():
    content = text_content(["a", "", "a"])
    assert content.values == ["a", None, "a"]
    assert content.keys == [hashlib.sha256(b"a").hexdigest(), None, hashlib.sha256(b"a").hexdigest()]


def test_files_are_known_by_their_bytes_and_what_cannot_be_read_is_told(tmp_path: Path):
    """Two files of the same bytes have one key; absent, outside and no file at all are nothing."""
    root = tmp_path / "source"
    (root / "images").mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(b"not yours")
    for name in ("one.jpg", "two.jpg"):
        (root / "images" / name).write_bytes(b"pixels")
    names = ["images/one.jpg", "images/two.jpg", "images/gone.jpg", "../secret.jpg", None, ""]
    content = file_content(items(image_path=names), "image_path", root)
    key = hashlib.sha256(b"pixels").hexdigest()
    assert content.keys == [key, key, None, None, None, None]
    assert content.values[0] == (root / "images" / "one.jpg").resolve()
    assert content.values[1:].count(None) == 4
    assert [(u.item_id, u.path, u.why) for u in content.unreadable] == [
        ("2", "images/gone.jpg", "No such file or directory"),
        ("3", "../secret.jpg", "leads outside source/, the folder of the source"),
    ]


def test_a_link_is_followed_before_it_is_judged(tmp_path: Path):
    root = tmp_path / "source"
    root.mkdir()
    (tmp_path / "outside").write_bytes(b"")
    (root / "inside").write_bytes(b"")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "in").symlink_to(root / "inside")
    assert path_within(root, "in") == (root / "inside").resolve()
    with pytest.raises(ValueError, match="leads outside source/"):
        path_within(root, "out")


def test_without_a_folder_no_path_means_anything():
    content = file_content(items(image_path=["a.jpg"]), "image_path", None)
    assert (content.keys, [u.why for u in content.unreadable]) == (
        [None],
        ["the source has no folder of files, so a path means nothing"],
    )
