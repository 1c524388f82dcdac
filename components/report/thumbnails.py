"""Items' images, small enough that a page with hundreds of them stays one light file."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from PIL import Image, ImageOps

from components.pictures import UNREADABLE, opened_picture

ReadImage = Callable[[str], bytes | None]  # of an item id; None where it has no image

_BOX = (60, 72)  # pixels: twice what is shown is more than these need, once is too coarse
_QUALITY = 55


@dataclass(frozen=True, kw_only=True)
class Thumbnails:
    """CSS that holds each image once, and the class of an item's image."""

    style: str
    classes: Mapping[str, str]  # item id -> class
    wanted: int  # distinct items shown that have a readable image


def thumbnails(shown: Iterable[str], read: ReadImage | None, *, budget_bytes: int) -> Thumbnails:
    """Images of the items shown, those shown most often first, until the budget is spent.

    An image that cannot be read is left out: the report shows lists, encoders tell of broken files.
    """
    counted = Counter(shown) if read else Counter[str]()
    rules, classes, spent, wanted = [], {}, 0, 0
    for item, _ in sorted(counted.items(), key=lambda entry: (-entry[1], entry[0])):
        small = thumbnail(read(item)) if read else None
        if small is None:
            continue
        wanted += 1
        name = f"i{wanted}"
        rule = f".{name}{{background-image:url(data:image/jpeg;base64,{base64.b64encode(small).decode()})}}"
        if spent + len(rule) <= budget_bytes:
            spent += len(rule)
            rules.append(rule)
            classes[item] = name
    return Thumbnails(style="\n".join(rules), classes=classes, wanted=wanted)


def thumbnail(image: bytes | None) -> bytes | None:
    """A JPEG that fits the box; None for nothing, for bytes that are no image, and for too many pixels."""
    if not image:
        return None
    try:
        with opened_picture(io.BytesIO(image)) as opened:
            # lets the decoder of a JPEG scale while it reads
            opened.draft("RGB", _BOX)
            small = ImageOps.exif_transpose(opened).convert("RGB")
            small.thumbnail(_BOX, Image.Resampling.LANCZOS)
    except UNREADABLE:
        return None
    written = io.BytesIO()
    small.save(written, "JPEG", quality=_QUALITY, optimize=True)
    return written.getvalue()
