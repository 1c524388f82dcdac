"""Sequence files: read for benchmarks, kept out of the loop."""

from __future__ import annotations

import pytest

from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.sequence import as_batch, read_sequences


@pytest.mark.shared_data
def test_beauty(shared):
    """Counts are those of the data set's own SOURCE.md."""
    folder = shared / "data" / "amazon_beauty"
    beauty = read_sequences(folder / "Beauty.txt", folder / "Beauty_item2attributes.json")
    assert (len(beauty.user_ids), len(set(beauty.items)), len(beauty.items)) == (22_363, 12_101, 198_502)
    assert beauty.items[beauty.start[1] : beauty.start[2]].tolist() == ["6", "7", "8", "9", "10", "4", "11"]
    assert len({token for tokens in beauty.attributes.values() for token in tokens}) == 637


def test_two_users(tmp_path):
    (tmp_path / "tiny.txt").write_text("u1 a b\nu2 c\n")
    tiny = read_sequences(tmp_path / "tiny.txt")
    assert (tiny.name, tiny.user_ids.tolist()) == ("tiny", ["u1", "u2"])
    assert (tiny.items.tolist(), tiny.start.tolist()) == (["a", "b", "c"], [0, 2, 3])
    with pytest.raises(
        DataContractError, match=r"tiny: a sequence file has no timestamps.*cannot enter the loop"
    ):
        as_batch(tiny)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("u1 a\nu2\n", "line 2 is 'u2'"),
        ("u1 a\n\n", "line 2 is ''"),
        ("", "no line"),
        ("u a\nu b\n", "repeat"),
    ],
)
def test_malformed_files(tmp_path, content, says):
    (tmp_path / "bad.txt").write_text(content)
    with pytest.raises(DataContractError, match=says):
        read_sequences(tmp_path / "bad.txt")


def test_missing_file_and_broken_attributes(tmp_path):
    with pytest.raises(SourceUnavailable, match=r"gone\.txt: no such file"):
        read_sequences(tmp_path / "gone.txt")
    (tmp_path / "s.txt").write_text("u a\n")
    (tmp_path / "a.json").write_text("[1, 2]")
    with pytest.raises(DataContractError, match=r"a\.json: not a JSON object"):
        read_sequences(tmp_path / "s.txt", tmp_path / "a.json")
