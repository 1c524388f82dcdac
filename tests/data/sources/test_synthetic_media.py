"""Images and sounds of planted items: their shape, their share, and the same for the same seed."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.data.sources.synthetic_media import SAMPLE_RATE, draw_image, play_sound, write_media

NAMES = np.array([f"i{n}" for n in range(40)], dtype=object)


def _write(folder: Path, seed: int = 0) -> dict[str, bytes]:
    folder.mkdir()
    write_media(folder, NAMES, np.arange(40) % 12, image_size=16, image_share=0.5, audio_share=1.0, seed=seed)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path):
    one = _write(tmp_path / "one")
    assert one == _write(tmp_path / "two")
    assert one != _write(tmp_path / "three", seed=1)
    assert sum(name.startswith("audio/") for name in one) == 40
    assert 10 <= sum(name.startswith("images/") for name in one) <= 30


def test_files_are_of_the_size_that_was_asked_for(tmp_path: Path):
    _write(tmp_path / "world")
    with Image.open(next((tmp_path / "world/images").iterdir())) as image:
        assert image.size == (16, 16)
    with wave.open(str(tmp_path / "world/audio/i0.wav")) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getnframes()) == (
            SAMPLE_RATE,
            1,
            SAMPLE_RATE // 2,
        )


@pytest.mark.parametrize("cluster", [0, 5, 11])
def test_a_sound_has_its_clusters_pitch(cluster):
    """220 Hz · 2^(cluster/4), out of tune by 1 %; half a second tells frequencies 2 Hz apart."""
    samples = play_sound(np.random.default_rng(0), cluster)
    pitch = np.abs(np.fft.rfft(samples)).argmax() * SAMPLE_RATE / len(samples)
    assert pitch == pytest.approx(220 * 2 ** (cluster / 4), rel=0.05)


def test_an_image_is_of_its_clusters_hue():
    """Cluster 0 is red, 4 of 12 a third of the circle on: green."""
    red, green = (draw_image(np.random.default_rng(0), c, 32).mean((0, 1)) for c in (0, 4))
    assert (red.argmax(), green.argmax()) == (0, 1)
