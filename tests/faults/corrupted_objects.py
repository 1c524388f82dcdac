"""Copies in an object store flipped, cut, gone, or laid in each other's place, and what another machine fetches then.

The machine that published keeps reading its own copy, whatever lies in the store. One with an empty disk refuses by
name and takes nothing, or finds no copy, which is what makes a stage run again.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from components.artifact import ArtifactDamaged, ArtifactNewer, ArtifactRef, present, verified
from components.copies import MANIFEST
from components.data.snapshot import read_events
from tests.faults import damaged_artifacts as made
from tests.faults.fault import Fault, LeftOut, Outcome

KIND = "corruption"
_FLIPS, _CUTS = 2, 1  # of each object


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An artifact with its copies, read as the loop reads it."""

    name: str
    ref: ArtifactRef
    keys: tuple[str, ...]
    read: Callable[[], object]


def object_faults(scratch: Path, *, seed: int) -> Iterator[Fault]:
    if any(importlib.util.find_spec(name) is None for name in ("boto3", "moto")):
        raise LeftOut(
            "copies in an object store: make test LOCKS='runtime postgres s3 login dev' installs moto"
        )
    from tests.object_store import BUCKET, running_object_store

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request
    chance, was = random.Random(seed), dict(os.environ)  # noqa: S311
    with running_object_store() as store:
        os.environ |= {"RECLOOP_HOME": str(scratch), "RECLOOP_ARTIFACTS_URL": f"s3://{BUCKET}/copies"}
        try:
            for stored in _stored(scratch / "artifacts", store):
                yield from _faults(stored, store, chance)
        finally:
            for name in ("RECLOOP_HOME", "RECLOOP_ARTIFACTS_URL"):
                os.environ.pop(name)
                os.environ |= {name: was[name]} if name in was else {}


def _stored(root: Path, store: Any) -> Iterator[Stored]:
    root.mkdir(parents=True)
    snapshot, days = made.snapshot(root)
    makers = {
        "bundle": made.bundle, "feature set": made.feature_set, "checked batch": made.checked_batch,
        "ID table": made.id_table,
    }  # fmt: skip
    refs = {name: make(root) for name, make in makers.items()} | {"snapshot": snapshot}
    keys = sorted(store.keys("copies/"))
    for name, ref in refs.items():
        mine = tuple(key for key in keys if f"/{ref.kind}/{ref.digest[:20]}/" in key)
        assert mine, f"no copy of {name} lies in the store"
        yield Stored(name=name, ref=ref, keys=mine, read=partial(verified, ref.path))
    of_days = tuple(key for key in keys if any(key.endswith(day.name) for day in days))
    assert of_days, "no copy of a day file lies in the store"
    yield Stored(name="day files", ref=snapshot, keys=of_days, read=partial(read_events, snapshot))


def _faults(stored: Stored, store: Any, chance: random.Random) -> Iterator[Fault]:
    for number, key in enumerate(stored.keys):
        content, name = store.content(key), "/".join(key.split("/")[-2:])
        other = store.content(stored.keys[number - 1]) if len(stored.keys) > 1 else b"other"
        for place in sorted({chance.randrange(len(content)), len(content) - 1})[:_FLIPS]:
            flipped = bytearray(content)
            flipped[place] ^= 1 << chance.randrange(8)
            yield _fault(stored, store, key, f"{name}: byte {place} flipped", bytes(flipped))
        for length in (chance.randrange(len(content)), 0)[:_CUTS]:
            yield _fault(stored, store, key, f"{name}: cut to {length}", content[:length])
        yield _fault(stored, store, key, f"{name}: gone", None)
        yield _fault(stored, store, key, f"{name}: holds another object", other)


def _fault(stored: Stored, store: Any, key: str, name: str, content: bytes | None) -> Fault:
    return Fault(
        kind=KIND, name=name, where=f"object store, {stored.name}",
        holds="refused by name or fetched as none, and never kept",
        strike=partial(_strike, stored, store, key, content),
    )  # fmt: skip


def _strike(stored: Stored, store: Any, key: str, content: bytes | None) -> Outcome:
    """A fault fires if the object is another, or gone."""
    before, here = store.content(key), Path(stored.ref.path).parents[1]
    aside = here.with_name("aside")
    try:
        _put(store, key, content)
        fired = content is None or store.content(key) != before
        wrong = [f"this machine's own copy: {said}" for said in [_own(stored)] if said]
        here.rename(aside)
        here.mkdir()
        wrong += [f"another machine: {said}" for said in [_fetched(stored, key, content)] if said]
    finally:
        if aside.exists():
            shutil.rmtree(here)
            aside.rename(here)
        _put(store, key, before)
    return Outcome(fired=fired, violations=tuple(wrong))


def _put(store: Any, key: str, content: bytes | None) -> None:
    if content is None:
        from tests.object_store import BUCKET

        store.client.delete_object(Bucket=BUCKET, Key=key)
    else:
        store.write(key, content)


def _own(stored: Stored) -> str:
    try:
        stored.read()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _fetched(stored: Stored, key: str, content: bytes | None) -> str:
    """What is wrong with how it was taken; "" if it was refused by name, or counts as not there."""
    folder = Path(stored.ref.path)
    try:
        if content is None and key.endswith(MANIFEST) and not present(folder):
            return ""
        stored.read()
    except (ArtifactDamaged, ArtifactNewer) as error:  # a bit of the format's number, too
        left = [path for path in folder.parents[1].rglob(Path(key).name) if path.is_file()]
        named = folder.name in str(error) or Path(key).name in str(error)
        if left:
            return f"refused, and kept as {left[0]}"
        return "" if named else f"refused without a name: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "read"
