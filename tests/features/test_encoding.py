"""Encoders are fitted once and applied to later items; files are told, contained, and encoded once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import wavfile

from components.features import encoding
from components.features.cache import VectorCache
from components.features.encoding import (
    EncoderChanged,
    EncoderConfig,
    encode,
    encode_items,
    fit_encoders,
    load_encoders,
    save_encoders,
    told_apart,
)
from tests.features.rows import items

CONFIG = EncoderConfig(image_size=32, text="tfidf", text_dim=4, metadata_dim=4)


@pytest.fixture
def catalogue(tmp_path: Path) -> tuple[pd.DataFrame, Path]:
    """Five items: item 3 has no image, item 4 nothing at all; items 0 and 1 share one image's bytes."""
    root = tmp_path / "source"
    (root / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, seed in [("0", 1), ("1", 1), ("2", 2)]:
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{name}.png")
    wavfile.write(root / "0.wav", 16_000, rng.normal(size=8000).astype(np.float32))
    frame = items(
        title=["red ship", "red car", "blue ship", "blue car", None],
        categories=["a|b", "a", "b", "b|a", None],
        image_path=["images/0.png", "images/1.png", "images/2.png", None, None],
        audio_path=["0.wav", None, None, None, None],
    )
    return frame, root


def test_masks_say_what_each_item_has(catalogue):
    frame, root = catalogue
    vectors = encode_items(frame.iloc[::-1], CONFIG, root=root)
    assert vectors.item_ids.tolist() == ["0", "1", "2", "3", "4"]
    assert vectors.modalities == ("audio", "image", "metadata", "text")
    assert {m: p.tolist() for m, p in vectors.present.items()} == {
        "audio": [True, False, False, False, False],
        "image": [True, True, True, False, False],
        "metadata": [True, True, True, True, False],
        "text": [True, True, True, True, False],
    }
    for m in vectors.modalities:
        assert vectors.vectors[m].dtype == np.float32
        assert not vectors.vectors[m][~vectors.present[m]].any()
    assert vectors.health["image"].missing == 2
    assert vectors.health["image"].duplicate_share == pytest.approx(1 / 3)
    assert vectors.unreadable == ()


def test_a_modality_that_no_item_has_is_absent():
    vectors = encode_items(items(title=["one thing", "one other"]), EncoderConfig(), root=None)
    assert vectors.modalities == ("text",)


def test_later_items_land_in_the_space_of_the_fit(catalogue, tmp_path: Path):
    """Saved, loaded, applied to a later catalogue: old items keep every bit, new ones use old words."""
    frame, root = catalogue
    encoders = fit_encoders(frame, CONFIG, root=root)
    first = encode(encoders, frame, root=root)
    save_encoders(encoders, tmp_path / "encoders")
    loaded = load_encoders(tmp_path / "encoders")
    assert loaded.ids == encoders.ids
    assert loaded.config == CONFIG

    new = items(title=["red ship", "green tree"]).assign(item_id=["90", "91"])
    later = encode(loaded, pd.concat([new, frame]), root=root)
    old = np.searchsorted(later.item_ids, first.item_ids)
    assert later.encoders == first.encoders
    for m in first.modalities:
        assert np.array_equal(later.vectors[m][old], first.vectors[m])
    place = dict(zip(later.item_ids, range(len(later)), strict=True))
    assert np.array_equal(later.vectors["text"][place["90"]], later.vectors["text"][place["0"]])
    assert not later.vectors["text"][place["91"]].any()
    assert later.health["text"].zero == 1
    alone = encode(loaded, new, root=root)
    assert alone.modalities == first.modalities  # the tokenizer's input keeps its shape
    assert not alone.present["image"].any()


def test_saved_encoders_hold_no_pickle(catalogue, tmp_path: Path):
    frame, root = catalogue
    save_encoders(fit_encoders(frame, CONFIG, root=root), tmp_path)
    assert {path.suffix for path in tmp_path.iterdir() if path.is_file()} == {".json", ".safetensors"}


def test_an_encoder_of_another_installation_is_refused(catalogue, tmp_path: Path):
    frame, root = catalogue
    save_encoders(fit_encoders(frame, CONFIG, root=root), tmp_path / "e")
    path = tmp_path / "e" / "encoders.json"
    path.write_text(path.read_text().replace("px32", "px33"))
    with pytest.raises(EncoderChanged, match="retrain with --refit-tokenizer"):
        load_encoders(tmp_path / "e")


def test_unreadable_and_straying_files_are_missing_and_told(catalogue, tmp_path: Path):
    frame, root = catalogue
    Image.new("RGB", (9, 9)).save(tmp_path / "outside.png")
    (root / "images" / "link.png").symlink_to(tmp_path / "outside.png")
    (root / "images" / "text.png").write_text("not an image")
    bad = ["../outside.png", str(tmp_path / "outside.png"), "images/link.png", "images/none.png",
           "images/text.png"]  # fmt: skip
    vectors = encode_items(frame.assign(image_path=bad), EncoderConfig(modalities=("image",)), root=root)
    assert not vectors.present["image"].any()
    assert vectors.health["image"].missing == 5
    why = {u.item_id: (u.path, u.why) for u in vectors.unreadable}
    assert sorted(why) == ["0", "1", "2", "3", "4"]
    assert all("outside" in why[i][1] for i in "012")
    assert why["3"] == ("images/none.png", "No such file or directory")
    assert why["4"][0] == "images/text.png"


def test_the_same_image_is_encoded_once_ever(catalogue, tmp_path: Path):
    """Three images, two of them the same bytes: two are encoded, then none, then the one that is new."""
    frame, root = catalogue
    cache, config = VectorCache(tmp_path / "cache"), EncoderConfig(image_size=32, modalities=("image",))
    encoders = fit_encoders(frame, config, root=root)
    steps: list[tuple[int, int]] = []

    def on_step(done: int, total: int, figures: dict[str, float]) -> None:
        steps.append((done, total))

    first = encode(encoders, frame, root=root, cache=cache, on_step=on_step)
    assert steps == [(2, 2)]
    again = encode(encoders, frame, root=root, cache=cache, on_step=on_step)
    assert steps == [(2, 2)]
    assert np.array_equal(first.vectors["image"], again.vectors["image"])
    Image.new("RGB", (32, 32), (200, 0, 0)).save(root / "images" / "2.png")
    changed = encode(encoders, frame, root=root, cache=cache, on_step=on_step)
    assert steps == [(2, 2), (1, 1)]
    assert not np.array_equal(changed.vectors["image"][2], first.vectors["image"][2])


def test_a_repeated_item_is_refused():
    with pytest.raises(ValueError, match="more than one row"):
        encode_items(pd.concat([items(title=["a b"])] * 2), EncoderConfig(), root=None)


@pytest.mark.parametrize(
    "wrong", [{"modalities": ("smell",)}, {"text": "bert"}, {"metadata_dim": 0}, {"image_size": 16}]
)
def test_a_config_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        encoding.EncoderConfig(**wrong)


def test_metadata_that_cannot_tell_items_apart_is_left_out_and_nothing_else():
    """Twelve items of two categories: 10 of 12 metadata vectors repeat another's; their titles tell them apart."""
    frame = items(title=[f"thing number {n}" for n in range(12)], categories=["a", "b"] * 6)
    encoders = fit_encoders(frame, EncoderConfig(), root=None)
    vectors = encode(encoders, frame, root=None)
    kept, told = told_apart(encoders, vectors, max_duplicate_share=0.8)
    assert (kept.ids.keys(), told.modalities) == ({"text"}, ("text",))
    assert told.health.keys() == told.present.keys() == told.encoders.keys() == {"text"}
    assert told_apart(encoders, vectors, max_duplicate_share=0.9) == (encoders, vectors)
    alone = EncoderConfig(modalities=("metadata",))
    only = fit_encoders(frame, alone, root=None)
    assert told_apart(only, encode(only, frame, root=None), max_duplicate_share=0.1)[1].modalities == (
        "metadata",
    )
