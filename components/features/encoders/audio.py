"""Audio encoder: log-mel statistics of a WAV file, the honest default where no trained encoder is at hand.

A clip is described by the mean and the standard deviation over time of its log energy in 64 mel bands. The
clip's own level is taken out, so a louder copy of a sound is the same sound.
Mel scale: O'Shaughnessy 1987, mel = 2595 log10(1 + f / 700).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.io import wavfile

from components.features.encoders.content import Content, Encoded, OnStep, file_content
from components.features.vectors import unit_rows

SAMPLE_RATE = 16_000  # Hz
WINDOW = 512  # samples, 32 ms
HOP = 256
BANDS = 64
MAX_SECONDS = 60  # a longer clip is described by its first minute
_FLOOR = 1e-10  # energy of silence


@dataclass(frozen=True, kw_only=True)
class LogMelAudio:
    """WAV file → 128 dimensions: 64 band means about the clip's own mean, 64 standard deviations."""

    @property
    def id(self) -> str:
        return f"logmel-{SAMPLE_RATE // 1000}k/{2 * BANDS}"

    @property
    def dim(self) -> int:
        return 2 * BANDS

    @property
    def kept_as(self) -> str | None:
        return self.id

    def read(self, items: pd.DataFrame, root: Path | None) -> Content:
        return file_content(items, "audio_path", root)

    def encode(self, values: Sequence[Path], on_step: OnStep | None = None) -> Encoded:
        out = np.zeros((len(values), self.dim), dtype=np.float32)
        failed: dict[int, str] = {}
        for row, path in enumerate(values):
            try:
                out[row] = log_mel_statistics(load_samples(path))
            except (OSError, ValueError, EOFError) as error:
                failed[row] = f"not a readable WAV file ({error})"
            if on_step:
                on_step(row + 1, len(values), {})
        return Encoded(vectors=unit_rows(out), failed=failed)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"kind": "logmel"}, {}


def load_samples(path: Path) -> Float[np.ndarray, "sample"]:
    """The first minute of a WAV file: mono, 16 kHz, full scale 1. Raises ValueError if it holds no sound."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks of other programs are common
        rate, data = wavfile.read(path)
    if rate <= 0 or data.size == 0:
        raise ValueError("no samples")
    data = data[: rate * MAX_SECONDS]
    samples = _full_scale(data)
    mono = samples.mean(axis=1) if samples.ndim == 2 else samples
    if not np.isfinite(mono).all():
        raise ValueError("samples that are not finite")
    if rate == SAMPLE_RATE:
        return mono
    from scipy.signal import resample_poly  # most commands hear nothing, and it takes a second to import

    common = gcd(rate, SAMPLE_RATE)
    return resample_poly(mono, SAMPLE_RATE // common, rate // common)


def log_mel_statistics(samples: Float[np.ndarray, "sample"]) -> Float[np.ndarray, "128"]:
    """Mean about the clip's mean, and standard deviation, of log energy in each band. Silence gives zeros."""
    padded = np.pad(samples, (0, max(0, WINDOW - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * _hann(), axis=1)) ** 2
    log_energy = np.log(np.maximum(power @ _mel_filters() / _FLOOR, 1))  # silence is exactly zero
    mean = log_energy.mean(axis=0)
    return np.concatenate([mean - mean.mean(), log_energy.std(axis=0)])


@lru_cache(maxsize=1)
def _hann() -> Float[np.ndarray, "sample"]:
    from scipy.signal import get_window

    window: np.ndarray = get_window("hann", WINDOW)
    return window


@lru_cache(maxsize=1)
def _mel_filters() -> Float[np.ndarray, "frequency band"]:
    """Triangles evenly spaced in mel from 20 Hz to half the sample rate."""
    low, high = (2595 * np.log10(1 + f / 700) for f in (20, SAMPLE_RATE / 2))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    frequency = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)[:, None]
    rising = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rising, falling), 0, None)


def _full_scale(data: np.ndarray) -> np.ndarray:
    """Samples as float64 with full scale 1, whatever the file's integer width."""
    if data.dtype == np.uint8:  # 8-bit WAV is unsigned, silence at 128
        return (data.astype(np.float64) - 128) / 128
    if np.issubdtype(data.dtype, np.integer):
        return data.astype(np.float64) / -float(np.iinfo(data.dtype).min)
    return data.astype(np.float64)
