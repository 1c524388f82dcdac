"""Tokenizer and ID table as a bundle holds them: whole, so that they can be put back where they were published."""

from __future__ import annotations

import shutil
from pathlib import Path

from components.artifact import MANIFEST, ArtifactRef, present, publish, verified
from components.registry.bundle import TOKENIZER


def put_back(bundle: ArtifactRef, *parts: ArtifactRef) -> None:
    """Publish anew those `parts` that were cleared away and that the bundle holds; the others stay as they are.

    A part that was removed since it was damaged is what cycles carry on: nobody else could make it again.
    The bundle may be in the object store alone. Raises ArtifactDamaged if its own copy is not what was published,
    CopiesUnreachable.
    """
    for part in parts:
        folder = Path(bundle.path) / TOKENIZER / part.kind
        if present(part.path) or not present(bundle.path) or not (folder / MANIFEST).exists():
            continue
        manifest = verified(folder)
        if manifest["digest"] == part.digest:
            _publish(folder, Path(part.path).parents[1], manifest)


def _publish(folder: Path, root: Path, manifest: dict) -> None:
    def copy(target: Path) -> None:
        shutil.copytree(folder, target, dirs_exist_ok=True)
        (target / MANIFEST).unlink()

    publish(root, manifest["kind"], copy, parents=manifest["parents"], config=manifest["config"])
