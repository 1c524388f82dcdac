"""A published feature set comes back as it was, under a name that says what it holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.artifact import ArtifactDamaged, ArtifactRef
from components.features.encoding import EncoderConfig, encode, fit_encoders
from components.features.featureset import load_feature_set, publish_feature_set
from components.features.graph import item_graph
from components.features.sequences import user_sequences
from tests.features.rows import at, events, items

LOG = events(("a", "0", 1), ("b", "1", 2), ("a", "1", 3), ("b", "9", 4))
FILMS = items(title=["red ship (1990)", "red car (1991)", None], image_path=["gone.jpg", None, None])
CONFIG = EncoderConfig(image_size=32)


def publish(root: Path, *, order: int = 1) -> ArtifactRef:
    encoders = fit_encoders(FILMS.iloc[::order], CONFIG, root=None)
    vectors = encode(encoders, FILMS.iloc[::order], root=None)
    return publish_feature_set(
        root,
        vectors=vectors,
        graph=item_graph(LOG.iloc[::order], vectors.item_ids),
        encoders=encoders,
        sequences=user_sequences(LOG.iloc[::order], cutoff=at(9)),
        parents={"snapshot": "s" * 64},
        config=CONFIG.to_dict(),
    )


def test_everything_comes_back(tmp_path: Path):
    ref = publish(tmp_path)
    loaded = load_feature_set(ref)
    encoders = fit_encoders(FILMS, CONFIG, root=None)
    vectors = encode(encoders, FILMS, root=None)
    assert loaded.digest == ref.digest
    assert loaded.manifest["parents"] == {"snapshot": "s" * 64}
    assert loaded.manifest["config"]["encoders"] == vectors.encoders
    assert loaded.vectors.item_ids.tolist() == vectors.item_ids.tolist()
    assert loaded.vectors.modalities == vectors.modalities == ("metadata", "text")
    for m in vectors.modalities:
        assert np.array_equal(loaded.vectors.vectors[m], vectors.vectors[m])
        assert np.array_equal(loaded.vectors.present[m], vectors.present[m])
    assert (loaded.vectors.health, loaded.vectors.unreadable) == (vectors.health, vectors.unreadable)
    assert loaded.graph.user_ids.tolist() == ["a", "b"]
    assert list(zip(loaded.graph.user_index, loaded.graph.item_index, strict=True)) == [
        (0, 0),
        (0, 1),
        (1, 1),
    ]
    assert (loaded.graph.num_items, loaded.graph.num_outside) == (3, 1)
    assert loaded.sequences().equals(user_sequences(LOG, cutoff=at(9)))
    again = encode(loaded.encoders, FILMS, root=None)
    assert np.array_equal(again.vectors["text"], vectors.vectors["text"])


def test_the_same_content_in_another_order_has_the_same_name(tmp_path: Path):
    assert publish(tmp_path / "one").digest == publish(tmp_path / "two", order=-1).digest


def test_a_flipped_byte_is_refused(tmp_path: Path):
    ref = publish(tmp_path)
    path = Path(ref.path) / "vectors.safetensors"
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(bytes(whole))
    with pytest.raises(ArtifactDamaged, match=r"vectors\.safetensors"):
        load_feature_set(ref)
