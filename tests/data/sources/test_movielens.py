"""MovieLens-100K out of the wheel: the published counts, and no other bytes than the pinned ones."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from components.artifact import sha256_file
from components.data.sources import SourceUnavailable
from components.data.sources.movielens import WHEEL, WHEEL_SHA256, fetch_wheel, read_movielens


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    fetch_wheel(folder)
    return folder


def test_the_published_counts(cache):
    """943 users, 1,682 films, 100,000 ratings (ml-100k-README.txt); the first line of u.data is 196 242 3."""
    batch = read_movielens(cache, until=None)
    assert (len(batch.events), len(batch.items)) == (100_000, 1_682)
    assert batch.events["user_id"].nunique() == 943
    assert batch.events["value"].value_counts().sort_index().tolist() == [6110, 11370, 27145, 34174, 21201]
    assert batch.events.iloc[0][["user_id", "item_id", "value", "timestamp", "source_row"]].tolist() == [
        "196", "242", 3.0, 881250949, 0,
    ]  # fmt: skip
    assert batch.items.iloc[0][["title", "categories", "attributes"]].tolist() == [
        "Toy Story (1995)", "Animation|Children's|Comedy", "year:1995",
    ]  # fmt: skip


def test_slices_hold_what_had_arrived(cache):
    cut = datetime(1998, 1, 1, tzinfo=UTC)
    before, after = read_movielens(cache, until=cut), read_movielens(cache, since=cut, until=None)
    assert before.events["timestamp"].max() < cut.timestamp() <= after.events["timestamp"].min()
    assert sorted([*before.events["source_row"], *after.events["source_row"]]) == list(range(100_000))
    assert len(before.items) == len(after.items) == 1_682


def test_a_cached_wheel_needs_no_pip_and_a_damaged_one_is_fetched_anew(cache, monkeypatch):
    with monkeypatch.context() as offline:
        offline.setenv("PIP_NO_INDEX", "1")
        offline.setenv("PIP_FIND_LINKS", "")
        assert sha256_file(fetch_wheel(cache)) == WHEEL_SHA256
    (cache / WHEEL).write_bytes(b"PK, cut short")
    assert sha256_file(fetch_wheel(cache)) == WHEEL_SHA256


def test_without_a_network_the_fix_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(
        SourceUnavailable, match=r"could not fetch recbole==1\.2\.1.*put the wheel there by hand"
    ):
        fetch_wheel(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_wheel_of_that_name_is_refused(tmp_path, monkeypatch):
    """pip serves a wheel with the right name and version from a folder of links, but it is not the pinned one."""
    links = tmp_path / "links"
    links.mkdir()
    _make_wheel(links)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    with pytest.raises(SourceUnavailable, match="fetched has SHA-256"):
        fetch_wheel(tmp_path / "cache")
    assert not (tmp_path / "cache" / WHEEL).exists()


def _make_wheel(folder) -> None:
    import zipfile

    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        info = "recbole-1.2.1.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: recbole\nVersion: 1.2.1\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
