"""From a source's name to its rows and images; nothing is fetched or made before it is needed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from components.data.sources import SourceUnavailable, movielens
from components.data.sources.opening import item_images, open_source
from components.data.sources.synthetic import SyntheticConfig, make_synthetic

ITEMS = pd.DataFrame({"item_id": ["a", "b", "c"], "image_path": ["images/a.jpg", "images/gone.jpg", None]})
CUT = datetime(2019, 1, 1, 0, 0, 1, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Two events a second apart."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "events.csv").write_text("user_id,item_id,timestamp\nu,a,1546300800\nv,a,1546300801\n")
    (folder / "items.csv").write_text("item_id,title\na,Alpha\n")
    return folder


def test_a_folder_is_read_in_slices(shop: Path, tmp_path: Path):
    source = open_source(str(shop), home=tmp_path / "home")
    assert (source.name, source.media_root, source.terms) == (str(shop), shop, "")
    users = [
        source.read(*slice).events["user_id"].tolist() for slice in ((None, None), (None, CUT), (CUT, None))
    ]
    assert users == [["u", "v"], ["u"], ["v"]]
    assert not (tmp_path / "home").exists()


def test_a_folder_that_is_not_there_is_told_when_it_is_read(tmp_path: Path):
    source = open_source(str(tmp_path / "absent"), home=tmp_path)
    with pytest.raises(SourceUnavailable, match="absent: no file of events"):
        source.read(None, None)


def test_a_path_may_begin_at_home(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_source("~/shop", home=tmp_path).media_root == shop


def test_the_synthetic_world_is_made_under_home_once(tmp_path: Path):
    source = open_source("synthetic", home=tmp_path)
    assert source.media_root == tmp_path / "synthetic"
    stamp = (tmp_path / "synthetic" / "events.parquet").stat().st_mtime_ns
    assert open_source("synthetic", home=tmp_path) == source
    assert (tmp_path / "synthetic" / "events.parquet").stat().st_mtime_ns == stamp
    assert len(source.read(None, None).events) == len(make_synthetic(SyntheticConfig()).events)


def test_movielens_has_terms_and_no_folder_and_is_not_fetched_by_opening(tmp_path: Path):
    source = open_source("movielens", home=tmp_path / "home")
    assert source.media_root is None
    assert source.terms == movielens.TERMS
    assert not (tmp_path / "home").exists()


def test_an_image_is_read_and_a_missing_one_is_none(tmp_path: Path):
    """a has a file; the file of b has gone since; c never had one; d is no item."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"the bytes")
    read = item_images(ITEMS, tmp_path)
    assert read is not None
    assert [read(item) for item in "abcd"] == [b"the bytes", None, None, None]


def test_no_path_and_no_link_leads_out_of_the_folder(tmp_path: Path):
    (tmp_path / "secret").write_bytes(b"secret")
    root = tmp_path / "source"
    root.mkdir()
    (root / "link.jpg").symlink_to(tmp_path / "secret")
    (root / "round.jpg").symlink_to("round.jpg")
    names = ["link.jpg", "../secret", str(tmp_path / "secret"), "round.jpg", "a\0b"]
    items = pd.DataFrame({"item_id": list("abcde"), "image_path": names})
    read = item_images(items, root)
    assert read is not None
    assert [read(item) for item in "abcde"] == [None] * 5


def test_without_a_folder_there_are_no_images():
    assert item_images(ITEMS, None) is None
