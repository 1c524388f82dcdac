"""Encoding by Ray Data: the vectors of one process, to the byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components.features.cache import VectorCache
from components.features.encoders.content import Encoded
from components.features.encoders.image import EfficientNetImage
from components.features.encoding import EncoderConfig, encode, fit_encoders
from components.parallel.encoding import FEWEST, encode_on_ray
from components.parallel.workers import Workers, WorkersLost


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    """More pictures than one process would keep to itself, one of them no picture."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    names = [f"{number:04}.png" for number in range(FEWEST + 3)]
    for name in names:
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(root / name)
    (root / names[300]).write_text("not an image")
    return pd.DataFrame({"item_id": [name[:4] for name in names], "image_path": names}), root


def test_two_workers_give_the_vectors_of_one_process(
    one_ray: Workers, items: tuple[pd.DataFrame, Path], tmp_path: Path
):
    frame, root = items
    encoders = fit_encoders(frame, EncoderConfig(modalities=("image",), image_size=32), root=root)
    told: list[int] = []
    alone = encode(encoders, frame, root=root)
    shared = encode(
        encoders, frame, root=root, cache=VectorCache(tmp_path), on_step=lambda done, total, _: told.append(done),
        encode_by=lambda encoder, values, on_step: encode_on_ray(encoder, values, one_ray, on_step),
    )  # fmt: skip
    assert np.array_equal(shared.vectors["image"], alone.vectors["image"])
    assert shared.unreadable == alone.unreadable
    assert [fault.item_id for fault in alone.unreadable] == ["0300"]
    assert told[-1] == len(frame)
    assert len(told) > 2  # share by share


def test_a_worker_that_fails_is_told_with_what_to_do(one_ray: Workers):
    with pytest.raises(WorkersLost, match="the weights are damaged") as raised:
        encode_on_ray(_Failing(size=32), ["a"] * FEWEST, one_ray)
    assert "RECLOOP_ENGINE=local and RECLOOP_WORKERS=1" in str(raised.value)


class _Failing(EfficientNetImage):
    def encode(self, values: object, on_step: object = None) -> Encoded:
        raise OSError("the weights are damaged")
