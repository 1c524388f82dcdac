"""What is fed bytes: every reader of what others write. Any bytes lead to rows, or to one of the reader's own errors.

The first byte of a case chooses a variant (which table, how it is packed, whether the manifest's digest is made to
fit); the rest is the file. A target reads in a folder of its own, which is put back before each case.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.artifact import ArtifactDamaged, ArtifactNewer, digest_of
from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable
from tests.faults.fuzz_trees import Mutator, changed_tree

_EVENTS = (
    "user_id,item_id,timestamp,event_type,value\nu1,i1,1704067200,view,1.5\nu2,i2,2024-01-02T00:00:00Z,buy,\n"
)
_ITEMS = (
    'item_id,title,categories,year,available_at\ni1,"One, two",a|b,1999,\ni2,Two,,,2024-01-01T00:00:00Z\n'
)
_MAPPING = """\
layout: ""
events: {file: events.csv, columns: {user: user_id, item: item_id, time: timestamp}, unit: s, types: {view: seen},
  weights: {buy: 2}}
items: {file: items.csv, columns: {item: item_id, title: title}, separator: ";"}
missing: [NA]
"""
_INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t3.0\t881250949\n"
_ITEM = "item_id:token\tmovie_title:token_seq\tclass:token_seq\n2\tThe Film\tDrama War\n"
_ENV = """RECLOOP_HOME=.recloop
RECLOOP_PREFECT_PORT=4200
RECLOOP_VALUE_RANGES='rating=0:10' # a note
export RECLOOP_EVENT_WEIGHTS="view=0.2,buy=1"
RECLOOP_RETRAIN_CRON=0 3 * * *
MLFLOW_TRACKING_URI=http://127.0.0.1:5000
"""
_LONGEST_SEED = 8_192


@dataclass(frozen=True, kw_only=True)
class Target:
    """`read` is given the variant's byte, the file's bytes and an empty folder."""

    name: str
    read: Callable[[int, bytes, Path], object]
    seeds: Callable[[], list[bytes]]
    refusals: tuple[type[Exception], ...] = (DataContractError, SourceUnavailable)
    files: tuple[str, ...] = ()  # of foreign folders of cases: patterns of what is a seed too
    mutate: Mutator | None = None  # of what has a structure that changed bytes would break


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _folder(folder: Path, **files: bytes) -> object:
    """Read as a source, after these files have been put beside each other."""
    from components.data.sources.folder import read_folder

    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return read_folder(folder)


def _table(kind: str) -> Callable[[int, bytes, Path], object]:
    """As events or as items, the other table being sound."""

    def read(variant: int, content: bytes, folder: Path) -> object:
        if variant % 2:
            return _folder(folder, events__csv=_EVENTS.encode(), **{f"items__{kind}": content})
        return _folder(folder, **{f"events__{kind}": content}, items__csv=_ITEMS.encode())

    return read


def _packed(variant: int, content: bytes, folder: Path) -> object:
    suffix = ("gz", "bz2", "xz", "zst")[variant % 4]
    return _folder(folder, **{f"events__csv__{suffix}": content}, items__csv=_ITEMS.encode())


def _atomic(variant: int, content: bytes, folder: Path) -> object:
    if variant % 2:
        return _folder(folder, ml__inter=_INTER.encode(), ml__item=content)
    return _folder(folder, ml__inter=content, ml__item=_ITEM.encode())


def _mapping(variant: int, content: bytes, folder: Path) -> object:
    if variant % 4 == 3:  # as `--map` says it, in one line
        from components.data.sources.map_text import read_map_text, with_told
        from components.data.sources.mapping import OWN_NAMES

        return with_told(OWN_NAMES, read_map_text(content.decode("utf-8", "replace")), told_by="--map")
    return _folder(folder, recloop__yaml=content, events__csv=_EVENTS.encode(), items__csv=_ITEMS.encode())


def _env(variant: int, content: bytes, folder: Path) -> object:
    """As the command reads it in a folder. What was read is kept by environment, so each case has another one."""
    from flows.settings import load_settings

    del variant
    (folder / ".env").write_bytes(content)
    os.environ["RECLOOP_FUZZ_CASE"] = str(int(os.environ.get("RECLOOP_FUZZ_CASE", "0")) + 1)
    before = Path.cwd()
    os.chdir(folder)
    try:
        return load_settings()
    finally:
        os.chdir(before)


_BUNDLE: dict[str, bytes] = {}


def sound_bundle() -> dict[str, bytes]:
    """File -> bytes of a small bundle."""
    if not _BUNDLE:
        import tempfile

        from tests.faults.damaged_artifacts import bundle

        with tempfile.TemporaryDirectory() as folder:
            path = Path(bundle(Path(folder)).path)
            files = (file for file in sorted(path.rglob("*")) if file.is_file())
            _BUNDLE.update({file.relative_to(path).as_posix(): file.read_bytes() for file in files})
    return _BUNDLE


def _bundle(variant: int, content: bytes, folder: Path) -> object:
    """A manifest as it is, or (its author knows how) with the digest that fits; or the table of items."""
    from components.registry.bundle import open_bundle

    names = ("manifest.json", "manifest.json", "bundle.json", "items.parquet", "arm/item_ids.parquet")
    name = names[variant % len(names)]
    files = {**sound_bundle(), name: content}
    if variant % len(names):
        files["manifest.json"] = _fitting(
            files, content if variant % len(names) == 1 else files["manifest.json"]
        )
    for where, held in files.items():
        (folder / where).parent.mkdir(parents=True, exist_ok=True)
        (folder / where).write_bytes(held)
    return open_bundle(folder).items()


def _fitting(files: dict[str, bytes], manifest: bytes) -> bytes:
    try:
        told = json.loads(manifest)
        hashes = {
            name: hashlib.sha256(held).hexdigest() for name, held in files.items() if name != "manifest.json"
        }
        if isinstance(told["files"], dict):
            told["files"] |= {name: digest for name, digest in hashes.items() if name in told["files"]}
        told["digest"] = digest_of({name: told[name] for name in ("kind", "files", "parents", "config")})
        return json.dumps(told).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return manifest


def _own_seeds(*texts: str, variants: int = 2) -> Callable[[], list[bytes]]:
    return lambda: [bytes([n % variants]) + text.encode() for n, text in enumerate(texts)]


def _parquet_seeds() -> list[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def made(table: pa.Table, **options: Any) -> bytes:
        sink = io.BytesIO()
        pq.write_table(table, sink, **options)
        return sink.getvalue()

    events = pa.table(
        {
            "user_id": ["u1", None],
            "item_id": [1, 2],
            "timestamp": pa.array([0, 10**15], pa.timestamp("us", "UTC")),
        }
    )
    items = pa.table(
        {"item_id": ["1", "2"], "title": ["One", None], "categories": [["a"], None], "year": [1999.0, None]}
    )
    return [
        b"\0" + made(events),
        b"\1" + made(items),
        b"\0" + made(events, compression="none", use_dictionary=False),
    ]


def _packed_seeds() -> list[bytes]:
    import pyarrow as pa

    text = _EVENTS.encode()
    packed = (
        gzip.compress(text),
        bz2.compress(text),
        lzma.compress(text),
        pa.compress(text, "zstd", asbytes=True),
    )
    return [bytes([n]) + content for n, content in enumerate(packed)]


def _bundle_seeds() -> list[bytes]:
    files = sound_bundle()
    names = ("manifest.json", "manifest.json", "bundle.json", "items.parquet", "arm/item_ids.parquet")
    return [bytes([n]) + files[name] for n, name in enumerate(names) if name in files]


def targets() -> list[Target]:
    import yaml

    from components.registry.bundle import BundleMismatch
    from flows.settings import SettingsError

    lines = '{"user_id": "u1", "item_id": "i1", "timestamp": 1704067200, "value": 1.5}\n{"user_id": 2}\n'
    items = '{"item_id": "i1", "title": "One", "categories": ["a", {"b": 1}], "year": 1999}\n'
    line = "user=user_id,item=item_id,time=timestamp:ms,items.title=title,zone=UTC,header=a|b,delimiter=tab"
    return [
        Target(name="csv", read=_table("csv"), seeds=_own_seeds(_EVENTS, _ITEMS), files=("*.csv", "*.tsv")),
        Target(name="json lines", read=_table("jsonl"), seeds=_own_seeds(lines, items), files=("*.jsonl",)),
        Target(name="parquet", read=_table("parquet"), seeds=_parquet_seeds, files=("*.parquet",)),
        Target(name="packed", read=_packed, seeds=_packed_seeds, files=("*.gz", "*.zst", "*.xz", "*.bz2")),
        Target(name="mapping", read=_mapping, seeds=lambda: [b"\0" + _MAPPING.encode(), b"\3" + line.encode()],
               mutate=changed_tree(yaml.safe_load, yaml.safe_dump)),
        Target(name="atomic files", read=_atomic, seeds=_own_seeds(_INTER, _ITEM), files=("*.inter", "*.item")),
        Target(name="settings", read=_env, seeds=_own_seeds(_ENV), refusals=(SettingsError,)),
        Target(
            name="bundle", read=_bundle, seeds=_bundle_seeds,
            refusals=(ArtifactDamaged, ArtifactNewer, BundleMismatch), mutate=changed_tree(json.loads, json.dumps),
        ),
    ]  # fmt: skip


def seeds_of(target: Target, cases: Path) -> Iterator[bytes]:
    """Our own, and, where a folder of cases is there, the small files in it that the target reads."""
    yield from target.seeds()
    for pattern in target.files:
        for path in sorted(cases.rglob(pattern)) if cases.is_dir() else ():
            content = path.read_bytes()[:_LONGEST_SEED]
            yield bytes([path.name.startswith("items") or path.suffix == ".item"]) + content


def stray(target: Target, case: bytes, folder: Path) -> BaseException | None:
    """What is raised that should not be; None for rows, or for a refusal that names the file."""
    try:
        target.read(case[0] if case else 0, case[1:], fresh(folder))
    except target.refusals as refused:
        if str(refused).strip():
            return None
        return AssertionError(f"refused with {type(refused).__name__}, which says nothing")
    except Exception as error:
        return error
    return None
