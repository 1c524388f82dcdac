"""Published files with a byte flipped, cut, gone or beside a stranger: each is refused by name, and none is read.

Rows of the warehouse and copies in an object store: see `corrupted_rows` and `corrupted_objects`.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components.artifact import ArtifactDamaged, ArtifactNewer, ArtifactRef, verified
from components.features.featureset import load_feature_set
from components.tokenizer.id_table import read_id_table, table_sizes_of
from components.tokenizer.tokenizer import load_tokenizer
from tests.faults import damaged_artifacts as made
from tests.faults.corrupted_objects import object_faults
from tests.faults.corrupted_rows import row_faults
from tests.faults.fault import Fault, Outcome

KIND = "corruption"
_FLIPS, _CUTS = 7, 4  # of each file
_FLIPS_SHORT, _CUTS_SHORT = 2, 2


@dataclass(frozen=True, kw_only=True)
class Target:
    """An artifact, its files, and the functions that the loop reads it by."""

    name: str
    files: tuple[Path, ...]
    readers: tuple[Callable[[], object], ...]
    folder: Path | None  # where a stranger would lie; None: a file alone


def _files(scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    chance = random.Random(seed)  # noqa: S311
    flips, cuts = (_FLIPS_SHORT, _CUTS_SHORT) if short else (_FLIPS, _CUTS)
    for target in _targets(scratch, short):
        for reader in target.readers:
            reader()  # whole, it is read
        for path in target.files:
            for name, damage in _damages(path, flips, cuts, chance):
                yield _fault(target, f"{path.name}: {name}", partial(_strike, target, path, damage))
        if target.folder is not None:
            stranger = target.folder / "stranger.bin"
            yield _fault(target, "a file more", partial(_strike, target, stranger, lambda path: path.touch()))


def _damages(
    path: Path, flips: int, cuts: int, chance: random.Random
) -> Iterator[tuple[str, Callable[[Path], object]]]:
    size = path.stat().st_size
    places = {0, size - 1, *(chance.randrange(size) for _ in range(flips - 2))}
    for place in sorted(places):
        yield f"byte {place} of {size} flipped", partial(_flip, place=place, bit=1 << chance.randrange(8))
    for length in sorted({0, size - 1, *(chance.randrange(size) for _ in range(cuts - 2))}):
        yield f"cut to {length} of {size}", partial(_cut, length=length)
    yield "a byte more", lambda path: path.write_bytes(path.read_bytes() + b"\0")
    yield "missing", lambda path: path.unlink()


def _flip(path: Path, *, place: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= bit
    path.write_bytes(content)


def _cut(path: Path, *, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])


def _strike(target: Target, path: Path, damage: Callable[[Path], object]) -> Outcome:
    """A fault fires if the bytes on the disk are others than before."""
    was = path.read_bytes() if path.exists() else None
    try:
        damage(path)
        fired = (path.read_bytes() if path.exists() else None) != was
        wrong = [said for reader in target.readers if (said := _refusal(reader, path))]
    finally:
        path.unlink(missing_ok=True)
        if was is not None:
            path.write_bytes(was)
    return Outcome(fired=fired, violations=tuple(wrong))


def _refusal(reader: Callable[[], object], path: Path) -> str:
    """What is wrong with how a reader took it; "" if it refused by name."""
    try:
        reader()
    except (ArtifactDamaged, ArtifactNewer) as error:  # a bit of the format's number, too
        return (
            ""
            if path.name in str(error) or path.parent.name in str(error)
            else f"refused without a name: {error}"
        )
    except Exception as error:
        return f"{reader} failed with {type(error).__name__}: {error}"
    return f"{reader} read it"


def _fault(target: Target, name: str, strike: Callable[[], Outcome]) -> Fault:
    return Fault(
        kind=KIND, name=name, where=target.name, holds="ArtifactDamaged, with the file's name", strike=strike
    )


def _targets(scratch: Path, short: bool) -> Iterator[Target]:
    from components.data.batch import read_checked
    from components.data.snapshot import read_events, read_items, snapshot_facts

    if scratch.exists():
        shutil.rmtree(scratch)
    scratch.mkdir(parents=True)
    snapshot, partitions = made.snapshot(scratch)
    yield _whole(
        "snapshot", snapshot, *(partial(read, snapshot) for read in (read_events, read_items, snapshot_facts))
    )
    yield Target(
        name="partitions", files=tuple(partitions), readers=(partial(read_events, snapshot),), folder=None
    )
    batch = made.checked_batch(scratch)
    yield _whole("checked batch", batch, lambda: verified(batch.path) and read_checked(Path(batch.path)))
    features = made.feature_set(scratch)
    yield _whole("feature set", features, partial(load_feature_set, features))
    table = made.id_table(scratch)
    yield _whole("ID table", table, partial(read_id_table, table), partial(table_sizes_of, table))
    yield from _with_models(scratch, short)


def _with_models(scratch: Path, short: bool) -> Iterator[Target]:
    from components.registry.bundle import open_bundle
    from components.serving.scorer import load_scorer

    bundle = made.bundle(scratch)
    yield _whole("bundle", bundle, partial(open_bundle, bundle.path), partial(load_scorer, bundle.path))
    if not short:
        tokenizer = made.tokenizer(scratch)
        yield _whole(
            "tokenizer", tokenizer, lambda: verified(tokenizer.path) and load_tokenizer(Path(tokenizer.path))
        )


def _whole(name: str, ref: ArtifactRef, *readers: Callable[[], object]) -> Target:
    folder = Path(ref.path)
    files = tuple(sorted(path for path in folder.rglob("*") if path.is_file()))
    return Target(name=name, files=files, readers=readers, folder=folder)


def _copies(scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    if not short:
        yield from object_faults(scratch, seed=seed)


PARTS = {"files": _files, "rows": row_faults, "copies": _copies}
