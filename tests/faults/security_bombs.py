"""Small files that unpack to what fills the memory, beside honest ones of the same kind."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from components.data.batch import DataContractError
from components.data.sources.files.delimited import read_delimited
from components.data.sources.files.form import FileForm
from components.data.sources.files.json_lines import read_json_lines
from components.data.sources.files.parquet import read_parquet
from components.features.encoders.image import load_pixels
from components.report.thumbnails import thumbnail
from tests.faults.probing import Probe, refused

_SIDE = 13_000
_HONEST = b"user_id,item_id\nu,i\n"
_LINE = b"u,i" + b"0" * 99_996 + b"\n"  # 100,000 bytes


def probes(scratch: Path) -> Iterator[Probe]:
    yield from _pictures(scratch)
    yield from _tables(scratch)


def _pictures(scratch: Path) -> Iterator[Probe]:
    honest, vast, program, stranger = (
        scratch / f"{name}.png" for name in ("honest", "vast", "program", "stranger")
    )
    Image.new("RGB", (8, 8), (9, 9, 9)).save(honest)
    vast.write_bytes(_png(_SIDE))
    Image.new("RGB", (8, 8)).save(program, "EPS")  # its reader starts Ghostscript
    Image.new("RGB", (8, 8)).save(stranger, "TGA")  # Pillow reads it alone, and no catalogue holds one
    for name, path in (
        (f"PNG of {vast.stat().st_size // 1000} kB, 169 million pixels", vast),
        ("EPS", program),
        ("TGA under another name", stranger),
    ):
        yield Probe(
            name=name, where="image, encoder", holds="is told as unreadable",
            control=lambda: load_pixels(honest, 4).shape == (4, 4, 3),
            attack=partial(refused, partial(load_pixels, path, 4), ValueError, OSError),
        )  # fmt: skip
        yield Probe(
            name=name, where="image, report", holds="is left out",
            control=lambda: thumbnail(honest.read_bytes()),
            attack=partial(_drawn, path),
        )  # fmt: skip


def _png(side: int) -> bytes:
    """A grey picture of side × side pixels, written without ever holding one."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    packer, row = zlib.compressobj(9), bytes(side + 1)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def _drawn(path: Path) -> str:
    return "it was decoded" if thumbnail(path.read_bytes()) else ""


def _tables(scratch: Path) -> Iterator[Probe]:
    folder = scratch / "honest"
    folder.mkdir()
    for name, pack in (("gzip", _gzip), ("zstd", _zstd)):
        suffix = {"gzip": "gz", "zstd": "zst"}[name]
        honest, bomb = folder / f"e.csv.{suffix}", scratch / f"e.csv.{suffix}"
        honest.write_bytes(pack(_HONEST))
        bomb.write_bytes(pack(b"user_id,item_id\n" + _LINE * 3000))
        yield _table(f"300 MB of rows as {name}", "CSV", _csv, honest, bomb)
    lines, long = folder / "e.jsonl", scratch / "e.jsonl"
    lines.write_text('{"user_id": "u", "item_id": "i"}\n')
    long.write_text('{"user_id": "u", "item_id": "' + "i" * 17_000_000 + '"}\n')
    yield _table("a line of 17 million characters", "JSON lines", _jsonl, lines, long)
    plain, wide = folder / "e.csv", scratch / "e.csv"
    plain.write_bytes(_HONEST)
    wide.write_bytes(b"user_id,item_id\nu,i" + b"0" * 17_000_000 + b"\n")
    yield _table("a line of 17 million characters", "CSV", _csv, plain, wide)
    table, rows, value = folder / "e.parquet", scratch / "rows.parquet", scratch / "value.parquet"
    pq.write_table(pa.table({"user_id": ["u"], "item_id": ["i"]}), table)
    many = pa.repeat("u", 3_000_000)
    pq.write_table(pa.table({"user_id": many, "item_id": many}), rows)
    pq.write_table(pa.table({"user_id": ["u" * 300_000_000], "item_id": ["i"]}), value, compression="zstd")
    yield _table("three million equal rows", "parquet", _parquet, table, rows)
    yield _table("a text of 300 MB", "parquet", _parquet, table, value)


def _table(name: str, kind: str, read: Callable[[Path], object], honest: Path, bomb: Path) -> Probe:
    return Probe(
        name=f"{name} ({bomb.stat().st_size:,} bytes)", where=f"file of a source, {kind}",
        holds="DataContractError", control=partial(read, honest),
        attack=partial(refused, partial(read, bomb), DataContractError),
    )  # fmt: skip


def _csv(path: Path) -> int:
    return read_delimited(path, FileForm(), wanted=["user_id"], keys=["user_id"]).table.num_rows


def _jsonl(path: Path) -> int:
    return read_json_lines(path, FileForm(), wanted=["user_id"]).table.num_rows


def _parquet(path: Path) -> int:
    return read_parquet(path, wanted=["user_id"]).table.num_rows


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content)


def _zstd(content: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(content, asbytes=True)
    return packed
