"""Pictures of a source, opened with care: a file of some kilobytes may hold an image that fills the memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image

MAX_PIXELS = 64_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # some others start programs: EPS starts Ghostscript
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # of broken and hostile files


@contextmanager
def opened_picture(source: Path | BinaryIO) -> Iterator[Image.Image]:
    """The image, of which nothing is decoded yet. Raises one of UNREADABLE, ValueError for too many pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its limit lies above ours
        image = Image.open(source, formats=_FORMATS)
    with image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width} × {image.height} pixels are too many")
        yield image
