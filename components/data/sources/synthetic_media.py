"""Small images and sounds of planted items: colour, pattern, pitch and beat say the cluster."""

from __future__ import annotations

import colorsys
import wave
from pathlib import Path

import numpy as np
from jaxtyping import Int
from PIL import Image

from components.data.sources.synthetic_text import THEMES

SAMPLE_RATE = 8_000
_SECONDS = 0.5


def write_media(
    folder: Path,
    item_ids: np.ndarray,
    cluster: Int[np.ndarray, "item"],
    *,
    image_size: int,
    image_share: float,
    audio_share: float,
    seed: int,
) -> None:
    """Write images/<item_id>.jpg and audio/<item_id>.wav for these shares of the items."""
    rng = np.random.default_rng([seed, 1])
    (folder / "images").mkdir()
    (folder / "audio").mkdir()
    has_image, has_audio = rng.random(len(item_ids)) < image_share, rng.random(len(item_ids)) < audio_share
    for n, item in enumerate(item_ids):
        if has_image[n]:
            pixels = draw_image(rng, int(cluster[n]), image_size)
            Image.fromarray(pixels).save(folder / "images" / f"{item}.jpg", quality=85)
        if has_audio[n]:
            _write_wav(folder / "audio" / f"{item}.wav", play_sound(rng, int(cluster[n])))


def draw_image(rng: np.random.Generator, cluster: int, size: int) -> np.ndarray:
    """[size, size, 3] uint8: stripes in the hue and direction of the cluster."""
    hue = (cluster / len(THEMES) + rng.normal(0, 0.02)) % 1.0
    colour = np.array(colorsys.hsv_to_rgb(hue, 0.8, 0.9))
    y, x = np.mgrid[0:size, 0:size] / size
    angle = np.pi * (cluster % 4) / 4
    waves = np.sin(
        2 * np.pi * (3 + cluster % 3) * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0, 6)
    )
    pixels = colour * (0.65 + 0.35 * waves[..., None]) + rng.normal(0, 0.08, (size, size, 3))
    return (np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def play_sound(rng: np.random.Generator, cluster: int) -> np.ndarray:
    """Half a second at 8 kHz, int16: a tone of the cluster's pitch with its overtone, beating."""
    t = np.arange(int(SAMPLE_RATE * _SECONDS)) / SAMPLE_RATE
    pitch = 220.0 * 2 ** (cluster / 4) * (1 + rng.normal(0, 0.01))
    beat = 0.6 + 0.4 * np.sin(2 * np.pi * (4 + 2 * (cluster % 3)) * t)
    tone = np.sin(2 * np.pi * pitch * t) + 0.4 * np.sin(4 * np.pi * pitch * t)
    return (8_000 * (tone * beat + rng.normal(0, 0.1, len(t)))).clip(-32_768, 32_767).astype("<i2")


def _write_wav(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())
