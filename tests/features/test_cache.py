"""What was kept comes back; what was damaged is as if it had never been kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.features.cache import VectorCache

FIRST, SECOND = "00" * 32, "ff" * 32


def test_vectors_come_back_by_content_and_encoder(tmp_path: Path):
    cache = VectorCache(tmp_path)
    cache.keep("net/3", {SECOND: np.array([1, 2, 3], dtype=np.float32)})
    cache.keep("net/3", {FIRST: np.array([4, 5, 6], dtype=np.float32)})
    loaded = cache.load("net/3")
    assert sorted(loaded) == [FIRST, SECOND]
    assert loaded[FIRST].tolist() == [4, 5, 6]
    assert cache.load("other/3") == {}


def test_one_flipped_byte_empties_the_cache(tmp_path: Path):
    cache = VectorCache(tmp_path)
    cache.keep("net/3", {FIRST: np.array([1, 2, 3], dtype=np.float32)})
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert cache.load("net/3") == {}
    path.write_bytes(whole[:20])
    assert cache.load("net/3") == {}
    path.write_bytes(whole)
    assert list(cache.load("net/3")) == [FIRST]
