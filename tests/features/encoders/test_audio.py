"""Audio: log-mel statistics of sounds whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from components.features.encoders.audio import BANDS, LogMelAudio, load_samples, log_mel_statistics

RATE = 16_000
SECOND = np.arange(RATE) / RATE


def tone(hertz: float, level: float = 0.5) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * SECOND)


def test_the_loudest_band_of_a_tone_is_the_tones_own():
    """Mel of 1 kHz is 1000.0; 64 triangles between 20 Hz (31.7) and 8 kHz (2840) put it in band 21."""
    statistics = log_mel_statistics(tone(1000))
    spacing = (2840.02 - 31.75) / (BANDS + 1)
    assert int(statistics[:BANDS].argmax()) == round((1000.0 - 31.75) / spacing) - 1 == 21


def test_a_louder_copy_is_the_same_sound():
    noise = np.random.default_rng(0).normal(size=RATE)
    np.testing.assert_allclose(log_mel_statistics(noise), log_mel_statistics(0.1 * noise), atol=1e-6)


def test_silence_is_zero():
    assert not log_mel_statistics(np.zeros(RATE)).any()


def test_a_steady_sound_has_no_spread_and_a_broken_one_has():
    broken = np.where((SECOND * 8).astype(int) % 2 == 0, tone(440), 0)
    steady_spread = log_mel_statistics(tone(440))[BANDS:].mean()
    assert steady_spread < 0.5 < log_mel_statistics(broken)[BANDS:].mean()


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.float32])
def test_every_sample_format_gives_the_same_samples(tmp_path: Path, kind):
    wave = tone(300)
    written = {
        np.uint8: lambda: (wave * 127 + 128).round().astype(np.uint8),
        np.int16: lambda: (wave * 32767).round().astype(np.int16),
        np.int32: lambda: (wave * (2**31 - 1)).round().astype(np.int32),
        np.float32: lambda: wave.astype(np.float32),
    }[kind]()
    wavfile.write(tmp_path / "a.wav", RATE, np.stack([written, written], axis=1))
    np.testing.assert_allclose(load_samples(tmp_path / "a.wav"), wave, atol=0.01)


def test_another_rate_is_resampled(tmp_path: Path):
    wave = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(44_100) / 44_100)
    wavfile.write(tmp_path / "a.wav", 44_100, wave.astype(np.float32))
    samples = load_samples(tmp_path / "a.wav")
    assert len(samples) == RATE
    np.testing.assert_allclose(samples[2000:14_000], tone(1000)[2000:14_000], atol=0.01)


def test_files_without_sound_are_told(tmp_path: Path):
    (tmp_path / "text.wav").write_text("not a sound")
    (tmp_path / "empty.wav").write_bytes(b"")
    wavfile.write(tmp_path / "none.wav", RATE, np.zeros(0, dtype=np.int16))
    wavfile.write(tmp_path / "nan.wav", RATE, np.full(RATE, np.nan, dtype=np.float32))
    wavfile.write(tmp_path / "good.wav", RATE, tone(500).astype(np.float32))
    names = ["text", "empty", "none", "nan", "good"]
    encoded = LogMelAudio().encode([tmp_path / f"{name}.wav" for name in names])
    assert sorted(encoded.failed) == [0, 1, 2, 3]
    assert not encoded.vectors[:4].any()
    assert np.linalg.norm(encoded.vectors[4]) == pytest.approx(1, abs=1e-5)
