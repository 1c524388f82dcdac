"""Published folders: whole or absent, named by what they hold, checked when read.

Every stage writes its result through `publish` and reads its inputs through `verified`. An artifact is a
folder of files with a `manifest.json` that names the SHA-256 of each, the artifacts it was made from, and
the configuration that made it. Its digest covers all of that and nothing else (no time, no path), so the
same inputs give the same name on every machine. Where an object store is named (see `copies`), publishing writes
through to it, and what is missing here is fetched from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.copies import MANIFEST, copies_of, entry_of
from components.faults import crash_point

FORMAT = 1  # of a manifest; one without a number is of 1


class ArtifactDamaged(Exception):
    """A published file is missing, added, or not the bytes that were published."""


class ArtifactNewer(Exception):
    """A release after this one published it in another format: names both, and the fix.

    It is not damaged: whoever removes what is damaged leaves it where it is.
    """


@dataclass(frozen=True, kw_only=True)
class ArtifactRef:
    """Where a published folder lies, and the digest that names it."""

    kind: str
    digest: str
    path: str

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form (sorted keys, no spaces); non-JSON values are refused."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def publish(
    root: Path,
    kind: str,
    write: Callable[[Path], None],
    *,
    parents: Mapping[str, str],
    config: Mapping[str, Any],
    is_copied: bool = True,
) -> ArtifactRef:
    """Let `write` fill a folder aside, then move it to `root/kind/<digest>` in one step.

    `parents` maps a role to the digest of the artifact that played it; `config` is the frozen config as
    JSON values. A reader sees the folder whole or not at all; publishing the same content twice keeps the
    first copy. `is_copied` is False for what another registry holds anyway. Raises CopiesUnreachable; the folder
    is then here, and publishing again copies it.
    """
    shelf = root / kind
    shelf.mkdir(parents=True, exist_ok=True)
    aside = shelf / f".{uuid.uuid4().hex}"
    aside.mkdir()
    try:
        write(aside)
        files = {name: sha256_file(aside / name) for name in _files_in(aside)}
        identity = {"kind": kind, "files": files, "parents": dict(parents), "config": dict(config)}
        digest = digest_of(identity)
        manifest = {"digest": digest, "format": FORMAT, **identity}
        (aside / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True))
        _sync_tree(aside)
        target = shelf / digest[:20]
        try:
            os.replace(aside, target)
        except OSError:
            if not (target / MANIFEST).exists():
                raise
        _sync_folder(shelf)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    if is_copied and (copies := entry_of(target.resolve())):
        crash_point("publish:before-copy")
        copies.put(target.resolve())
    return ArtifactRef(kind=kind, digest=digest, path=str(target))


def present(path: Path | str) -> bool:
    """Whether a published folder is here, or was in the object store and is here now.

    Raises ArtifactDamaged if the store's copy is not what was published, ArtifactNewer, CopiesUnreachable.
    """
    folder = Path(path)
    if folder.exists():
        return True
    copies = entry_of(folder)
    if copies is None:
        return False
    try:
        return copies.fetch(folder, lambda aside: _is_named(aside, folder.name))
    except ArtifactDamaged as error:
        raise ArtifactDamaged(
            f"{copies.url}/{folder.relative_to(copies.root)} is not what was published: {error} Remove it "
            "from the object store and run again: the stage makes it anew."
        ) from error


def bring_here(root: Path, kind: str) -> list[Path]:
    """Fetch what the object store has of a kind and this machine has not: for whoever looks through a kind.

    Returns where those would lie whose copies are damaged; they stay away. Raises ArtifactNewer, CopiesUnreachable.
    """
    damaged = []
    copies = copies_of(root)
    for name in copies.names(kind) if copies else ():
        try:
            present(root / kind / name)
        except ArtifactDamaged:
            damaged.append(root / kind / name)
    return damaged


def verified(path: Path | str) -> dict[str, Any]:
    """Check every byte of a published folder and return its manifest.

    Raises ArtifactDamaged naming the file and what to do about it, ArtifactNewer.
    """
    folder = Path(path)
    present(folder)
    with whole(folder):
        return _checked(folder)


def refuse_newer(folder: Path) -> None:
    """Raise ArtifactNewer if a published folder is of a later release; nothing else of it is looked at."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return  # damaged: whoever reads it says so
    if isinstance(manifest, dict):
        _refuse_newer_format(manifest, path)


@contextmanager
def whole(folder: Path | str) -> Iterator[None]:
    """While a published folder is read: what erasure or pruning takes away meanwhile is ArtifactDamaged, by name."""
    try:
        yield
    except FileNotFoundError as error:
        raise ArtifactDamaged(
            f"{folder}: was removed while it was read ({error.filename or error}). {_MEND}"
        ) from error


def _is_named(folder: Path, name: str) -> None:
    if not (digest := _checked(folder)["digest"]).startswith(name):
        raise ArtifactDamaged(f"its digest is {digest[:20]}.")


def _checked(folder: Path) -> dict[str, Any]:
    manifest_path = folder / MANIFEST
    if not manifest_path.exists():
        raise ArtifactDamaged(f"{folder}: no {MANIFEST}; the folder was never published or has been removed")
    try:
        manifest = json.loads(manifest_path.read_text())
        _refuse_other_format(manifest, manifest_path)
        identity = {name: manifest[name] for name in ("kind", "files", "parents", "config")}
        announced = manifest["digest"]
        if not isinstance(manifest["kind"], str) or not all(
            isinstance(manifest[name], dict) for name in ("files", "parents", "config")
        ):
            raise TypeError("kind is a text; files, parents and config are objects")
        found = digest_of(identity)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactDamaged(f"{manifest_path}: not a readable manifest ({error}). {_MEND}") from error
    if found != announced:
        raise ArtifactDamaged(f"{manifest_path}: the manifest does not match its own digest")
    present = set(_files_in(folder))
    for name, expected in manifest["files"].items():
        if name not in present:
            raise ArtifactDamaged(f"{folder / name}: missing. {_MEND}")
        if (sha256 := sha256_file(folder / name)) != expected:
            raise ArtifactDamaged(
                f"{folder / name}: SHA-256 is {sha256[:12]}…, the manifest says {str(expected)[:12]}…. {_MEND}"
            )
    if strangers := present - manifest["files"].keys():
        raise ArtifactDamaged(f"{folder / min(strangers)}: not in the manifest. {_MEND}")
    return manifest


def _refuse_newer_format(manifest: dict[str, Any], path: Path) -> None:
    found = manifest.get("format", 1)
    if type(found) is int and found > FORMAT:
        raise ArtifactNewer(
            f"{path} has format {found}, and this release reads up to {FORMAT}: a newer release published it. Update "
            "this checkout, or name another --home."
        )


def _refuse_other_format(manifest: dict[str, Any], path: Path) -> None:
    """The number is no part of the digest, which so stays what it was; hence nothing else may stand beside it."""
    _refuse_newer_format(manifest, path)
    found = manifest.get("format", 1)
    known = {"digest", "format", "kind", "files", "parents", "config"}
    if found != FORMAT or (strangers := manifest.keys() - known):
        raise ValueError(f"format {found!r}" if found != FORMAT else f"{min(strangers)!r} is no part of one")


_MEND = "Remove the folder and run the stage again, or fetch the artifact anew from where it was registered."


def _files_in(folder: Path) -> list[str]:
    """Relative names of all files but the manifest, in a fixed order."""
    names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return sorted(name for name in names if name != MANIFEST)


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            _sync_folder(path)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
