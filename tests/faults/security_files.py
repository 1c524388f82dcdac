"""Names and links that lead out of a folder: of an item's image, to the encoder, the report and the scoring server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from components.data.sources.opening import item_images
from components.features.encoders.content import file_content
from components.serving.page import item_images as served_images
from tests.faults.probing import Probe

_SECRET = b"the secret of another folder"


def probes(scratch: Path) -> Iterator[Probe]:
    root, outside = scratch / "source", scratch / "secret.jpg"
    root.mkdir()
    (scratch / "beside").mkdir()
    outside.write_bytes(_SECRET)
    (scratch / "beside" / "secret.jpg").write_bytes(_SECRET)
    (root / "honest.jpg").write_bytes(b"honest")
    (root / "link.jpg").symlink_to(outside)
    (root / "chain.jpg").symlink_to("link.jpg")
    (root / "folder").symlink_to(scratch / "beside")
    (root / "round.jpg").symlink_to("round.jpg")
    names = {
        "up": "../secret.jpg", "up from below": "x/../../secret.jpg", "absolute": str(outside), "link": "link.jpg",
        "link to a link": "chain.jpg", "linked folder": "folder/secret.jpg", "link to itself": "round.jpg",
        "NUL": "link.jpg\0.jpg", "too long": "a/" * 5000 + "b", "the folder itself": ".", "device": "/dev/zero",
    }  # fmt: skip
    for what, name in names.items():
        yield Probe(
            name=what, where="image path, encoder", holds="nothing of it is read",
            control=partial(_encoder_reads, root, "honest.jpg"), attack=partial(_taken_by_encoder, root, name),
        )  # fmt: skip
        yield Probe(
            name=what, where="image path, report", holds="nothing of it is read",
            control=lambda: _shown(root, "honest.jpg"), attack=partial(_taken_by_report, root, name),
        )  # fmt: skip
    for name in ("link", "chain", "round", "../secret"):
        yield Probe(
            name=name, where="item id, images of the scoring server", holds="is no image that is known",
            control=lambda: "honest" in served_images(root), attack=partial(_served, root, name),
        )  # fmt: skip


def _items(name: str) -> pd.DataFrame:
    return pd.DataFrame({"item_id": ["i"], "image_path": [name]})


def _encoder_reads(root: Path, name: str) -> bool:
    return file_content(_items(name), "image_path", root).keys[0] is not None


def _taken_by_encoder(root: Path, name: str) -> str:
    return "it was read" if _encoder_reads(root, name) else ""


def _shown(root: Path, name: str) -> bytes | None:
    read = item_images(_items(name), root)
    return read("i") if read else None


def _taken_by_report(root: Path, name: str) -> str:
    return "" if (found := _shown(root, name)) is None else f"{found[:40]!r} was read"


def _served(root: Path, name: str) -> str:
    return f"{served_images(root)[name][0]} is served" if name in served_images(root) else ""
