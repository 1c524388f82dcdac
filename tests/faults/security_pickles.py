"""Planted pickles where somebody's reader would run them, and manifests that were written anew for them."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch

from components.artifact import MANIFEST, ArtifactDamaged, ArtifactRef, digest_of, publish, sha256_file
from components.recommender.loading import CheckpointMismatch
from components.recommender.training.checkpoint import read_checkpoint
from components.registry.bundle import BundleMismatch, open_bundle
from tests.faults.probing import Probe, fresh, refused

_REFUSALS = (ArtifactDamaged, BundleMismatch, CheckpointMismatch, ValueError)


class Planted:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


def probes(scratch: Path) -> Iterator[Probe]:
    from tests.registry.conftest import make_bundle

    whole = make_bundle(scratch, tokenizer=None).path
    yield _checkpoint(scratch)
    yield _lists(scratch)
    yield _weights(fresh(scratch / "weights"))
    for name, dump, load in (
        ("model.pkl", _pickled, _unpickled), ("model.joblib", joblib.dump, joblib.load),
        ("model.pt", torch.save, partial(torch.load, weights_only=False)), ("model.npy", _saved, _loaded),
        ("items.parquet", _pickled, _unpickled), ("arm/arm.json", _pickled, _unpickled),
    ):  # fmt: skip
        yield _in_bundle(scratch / name.replace("/", "-"), whole, name, dump, load)
    for name, change in _TAMPERED.items():
        yield _tampered(scratch / name.replace(" ", "-"), whole, name, change)


def _checkpoint(scratch: Path) -> Probe:
    path, marker = scratch / "epoch.pt", scratch / "marker-checkpoint"
    torch.save({"key": "k", "torch_rng": torch.get_rng_state(), "more": Planted(marker)}, path)
    return Probe(
        name="a planted pickle, its key right", where="a training's checkpoint (.pt)",
        holds="is refused, and nothing runs",
        control=partial(_runs, partial(torch.load, path, weights_only=False), marker),
        attack=partial(_tried, partial(read_checkpoint, path, "k"), marker),
    )  # fmt: skip


def _lists(scratch: Path) -> Probe:
    from flows.ranking import LISTS, read_lists

    marker = scratch / "marker-lists"
    planted = np.empty(1, dtype=object)
    planted[0] = Planted(marker)
    ref = publish(
        scratch,
        "lists",
        lambda folder: np.save(folder / LISTS, planted, allow_pickle=True),
        parents={},
        config={},
    )
    return Probe(
        name="a planted pickle, well published", where="an arm's lists (.npy)", holds="is refused, and nothing runs",
        control=partial(_runs, partial(np.load, Path(ref.path) / LISTS, allow_pickle=True), marker),
        attack=partial(_tried, partial(read_lists, ArtifactRef(**ref.to_dict())), marker),
    )  # fmt: skip


def _weights(folder: Path) -> Probe:
    from components.recommender.weights import WEIGHTS, read_weights

    path, marker = folder / WEIGHTS, folder / "marker"
    _pickled(Planted(marker), path)
    return Probe(
        name="a planted pickle", where="an arm's weights (.safetensors)", holds="is refused, and nothing runs",
        control=partial(_runs, partial(_unpickled, path), marker),
        attack=partial(_tried, partial(read_weights, folder, torch.nn.Linear(2, 2)), marker),
    )  # fmt: skip


def _in_bundle(
    folder: Path, whole: Path, name: str, dump: Callable[[Any, Path], object], load: Callable[[Path], object]
) -> Probe:
    from components.serving.scorer import load_scorer

    shutil.copytree(whole, folder)
    marker = folder.with_name(f"marker-{folder.name}")
    dump(Planted(marker), folder / name)
    signed_anew(folder)
    return Probe(
        name=f"{name}, the manifest written anew", where="a bundle", holds="is refused, and nothing runs",
        control=partial(_runs, partial(load, folder / name), marker),
        attack=partial(_tried, partial(load_scorer, folder), marker),
    )  # fmt: skip


def _tampered(folder: Path, whole: Path, name: str, change: Callable[[dict[str, Any]], object]) -> Probe:
    shutil.copytree(whole, folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return Probe(
        name=name, where="a bundle's manifest", holds="is refused", control=lambda: open_bundle(whole).digest,
        attack=partial(refused, partial(open_bundle, folder), ArtifactDamaged, BundleMismatch),
    )  # fmt: skip


_TAMPERED: dict[str, Callable[[dict[str, Any]], object]] = {
    "another seed": lambda told: told["config"].update(seed=99),
    "another parent": lambda told: told["parents"].update(snapshot="0" * 64),
    "a file less": lambda told: told["files"].pop("items.parquet"),
    "a file of another folder": lambda told: _anew(told, files={**told["files"], "../secret": "0" * 64}),
    "another kind, its digest right": lambda told: _anew(told, kind="tokenizer"),
    "no digest": lambda told: told.pop("digest"),
}


def _anew(told: dict[str, Any], **changed: Any) -> None:
    """Changed by somebody who knows how the digest is made."""
    told.update(changed)
    told["digest"] = digest_of({name: told[name] for name in ("kind", "files", "parents", "config")})


def signed_anew(folder: Path) -> None:
    """Write the manifest of a folder that was changed, as its author would."""
    manifest = json.loads((folder / MANIFEST).read_text())
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST)
    _anew(manifest, files={path.relative_to(folder).as_posix(): sha256_file(path) for path in paths})
    (folder / MANIFEST).write_text(json.dumps(manifest))


def _runs(load: Callable[[], object], marker: Path) -> bool:
    """Whether the pickle runs on a reader that lets it; what it made is taken away again."""
    try:
        load()
    except Exception as error:
        return bool(error) and _taken_away(marker)
    return _taken_away(marker)


def _taken_away(marker: Path) -> bool:
    if not marker.is_dir():
        return False
    marker.rmdir()
    return True


def _tried(read: Callable[[], object], marker: Path) -> str:
    said = refused(read, *_REFUSALS)
    return "the pickle ran" if marker.exists() else said


def _pickled(what: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(what))


def _unpickled(path: Path) -> object:
    return pickle.loads(path.read_bytes())  # noqa: S301 - to show that the plant works


def _saved(what: object, path: Path) -> None:
    planted = np.empty(1, dtype=object)
    planted[0] = what
    np.save(path, planted, allow_pickle=True)


def _loaded(path: Path) -> object:
    return np.load(path, allow_pickle=True)
