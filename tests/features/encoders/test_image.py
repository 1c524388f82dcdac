"""Images: unreadable ones are told, readable ones keep their vector in any company."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import components.pictures
from components.compute import Compute
from components.features.encoders import image
from components.features.encoders.image import EfficientNetImage, load_pixels

SMALL = EfficientNetImage(size=64)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six pictures of noise over a colour, and of other sizes and modes."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    paths = []
    for i, mode in enumerate(["RGB", "L", "RGBA", "P", "CMYK", "RGB"]):
        pixels = rng.integers(0, 256, (40 + 10 * i, 60, 3), dtype=np.uint8)
        path = folder / f"{i}.{'jpg' if mode == 'CMYK' else 'png'}"
        Image.fromarray(pixels).convert(mode).save(path)
        paths.append(path)
    return paths


def test_pixels_are_centred_and_scaled(tmp_path: Path):
    """Value 0 is (0/255 − .5)/.5 = −1, 255 is 1, and 51 is (.2 − .5)/.5 = −.6."""
    Image.new("RGB", (9, 5), (0, 255, 51)).save(tmp_path / "a.png")
    np.testing.assert_allclose(
        load_pixels(tmp_path / "a.png", 4), np.tile([-1, 1, -0.6], (4, 4, 1)), atol=1e-6
    )


def test_an_image_is_encoded_alike_in_any_company(pictures: list[Path]):
    alone = np.concatenate([SMALL.encode([path]).vectors for path in pictures])
    crowd = SMALL.encode([*reversed(pictures), *pictures]).vectors
    assert np.array_equal(crowd[6:], alone)
    assert np.array_equal(crowd[:6], alone[::-1])
    assert len({row.tobytes() for row in alone}) == 6
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, rtol=1e-5)


def test_what_is_no_image_is_told_and_zero(tmp_path: Path, pictures: list[Path], monkeypatch):
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "cut.png").write_bytes(pictures[0].read_bytes()[:200])
    (tmp_path / "empty.jpg").write_bytes(b"")
    monkeypatch.setattr(components.pictures, "MAX_PIXELS", 90 * 60)  # the last picture has exactly as many
    Image.new("RGB", (100, 100)).save(tmp_path / "vast.png")
    bad = [tmp_path / name for name in ("text.jpg", "cut.png", "empty.jpg", "vast.png")]
    encoded = SMALL.encode([*bad, pictures[5]])
    assert sorted(encoded.failed) == [0, 1, 2, 3]
    assert not encoded.vectors[:4].any()
    assert encoded.vectors[4].any()


def test_bf16_gives_nearly_the_vectors_of_float32_and_keeps_them_apart(pictures: list[Path]):
    """Kept vectors are the CPU's in float32, whoever asks for them next."""
    rounded = EfficientNetImage(size=64, compute=Compute(precision="bf16"))
    exact, found = SMALL.encode(pictures).vectors, rounded.encode(pictures).vectors
    assert not np.array_equal(found, exact)
    assert ((found * exact).sum(axis=1) > 0.99).all()
    assert (SMALL.kept_as, rounded.kept_as, rounded.id) == (SMALL.id, f"{SMALL.id}-cpu-bf16", SMALL.id)


def test_other_weights_are_refused(monkeypatch):
    monkeypatch.setattr(image, "WEIGHTS_SHA256", "0" * 64)
    image._network.cache_clear()
    with pytest.raises(image.EncoderWeightsDamaged, match="Install"):
        image._network(torch.device("cpu"))


@pytest.mark.shared_data
def test_posters_of_a_genre_are_nearer_than_chance(shared: Path):
    """160 posters; genre overlap of the 5 nearest against that of all, a thin but real signal."""
    folder = shared / "data" / "ml-latest-small-multimodal"
    films = pd.read_csv(folder / "items.csv", dtype=str).dropna(subset=["image", "genres"]).iloc[:160]
    vectors = EfficientNetImage(size=128).encode([folder / name for name in films["image"]]).vectors
    genres = [set(text.split("|")) for text in films["genres"]]
    overlap = np.array([[len(a & b) / len(a | b) for b in genres] for a in genres])
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    nearest = np.argsort(-similarity, axis=1)[:, :5]
    others = ~np.eye(len(genres), dtype=bool)
    assert np.take_along_axis(overlap, nearest, axis=1).mean() > 1.1 * overlap[others].mean()
