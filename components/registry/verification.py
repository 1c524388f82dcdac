"""What a version says it was made of, held against what lies there and what comes out when it is made again.

A finding names one thing, what is on record of it, and what was found. Nothing here writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.artifact import (
    MANIFEST,
    ArtifactDamaged,
    ArtifactNewer,
    ArtifactRef,
    bring_here,
    present,
    verified,
)
from components.data import snapshot
from components.data.artifact_erasure import successor_of
from components.data.origins import BatchOrigin
from components.data.warehouse import Engine
from components.registry.bundle import Bundle
from components.registry.lineage import DIRTY, broken_claims

FoundVerdict = Literal["same", "same lists", "differs", "missing", "erased", "other code", "other commit"]
Manifest = dict[str, Any]  # as `components.artifact` writes it
PRUNED = "pruned, or never on this machine: the folder is not there"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at. Only `differs` speaks against the version."""

    stage: str
    recorded: str  # a digest, or a value
    found: str  # "" where there is nothing
    verdict: FoundVerdict
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An artifact that is on record, as it lies on this machine."""

    finding: Finding
    artifact: ArtifactRef | None  # whole, every byte checked; None: missing, or damaged
    is_erased: bool = False  # an erasure wrote it anew: it is the successor of what is on record

    @property
    def original(self) -> ArtifactRef | None:
        """The artifact, if it is the very one that is on record."""
        return None if self.is_erased else self.artifact


def compared(stage: str, recorded: str, found: str, *, note: str = "", note_if_same: str = "") -> Finding:
    """Same or differs; `note` says what it means where they differ."""
    is_same = recorded == found
    return Finding(
        stage=stage, recorded=recorded, found=found, verdict="same" if is_same else "differs",
        note=note_if_same if is_same else note,
    )  # fmt: skip


def missing(stage: str, recorded: str, why: str = PRUNED) -> Finding:
    return Finding(stage=stage, recorded=recorded, found="", verdict="missing", note=why)


def stored(engine: Engine, root: Path, kind: str, digest: str) -> Stored:
    """Every byte of an artifact, and of the day files that a snapshot names, against its manifest and its name."""
    stage = kind.replace("_", " ")
    now = successor_of(engine, digest)
    if now is None:
        told = "a user was erased, and nothing of it was left"
        return Stored(
            finding=Finding(stage=stage, recorded=digest, found="", verdict="erased", note=told),
            artifact=None, is_erased=True,
        )  # fmt: skip
    folder = root / kind / now[:20]
    ref = ArtifactRef(kind=kind, digest=now, path=str(folder))
    try:
        if not present(folder):
            return Stored(finding=missing(stage, digest), artifact=None, is_erased=now != digest)
        found = verified(folder)["digest"]
        if kind == snapshot.KIND:
            snapshot.read_events(ref)
    except ArtifactNewer as error:
        return Stored(finding=missing(stage, digest, str(error)), artifact=None, is_erased=now != digest)
    except ArtifactDamaged as error:
        finding = Finding(stage=stage, recorded=digest, found="damaged", verdict="differs", note=str(error))
        return Stored(finding=finding, artifact=None, is_erased=now != digest)
    if now != digest and found == now:
        told = "a user was erased: written anew without them, and the model that learned from it stays"
        finding = Finding(stage=stage, recorded=digest, found=found, verdict="erased", note=told)
        return Stored(finding=finding, artifact=ref, is_erased=True)
    finding = compared(stage, digest, found, note=f"{folder} holds another artifact")
    return Stored(finding=finding, artifact=ref if finding.verdict == "same" else None)


def checked_claims(claims: Mapping[str, str], bundle: Bundle) -> Iterator[Finding]:
    """The version's tags against the facts that its bundle, whose bytes are checked, carries itself."""
    facts = {kind: str(value) for kind, value in bundle.facts.to_dict().items() if value is not None}
    found = facts | {"bundle": bundle.digest}
    if (begun := bundle.facts.warm_start) is not None:
        found |= {"warm_start": begun.bundle, "warm_start_version": begun.version}
    broken = broken_claims(claims, found)
    for claim in broken:
        yield Finding(
            stage=f"tag recloop.{claim.kind}", recorded=claim.claimed, found=claim.found, verdict="differs",
            note="the tag in MLflow and the bundle do not say the same: somebody changed the tag",
        )  # fmt: skip
    if not broken:
        held = [kind for kind in claims if kind in found]
        yield Finding(
            stage="tags", recorded=f"{len(held)} claims", found=f"{len(held)} held", verdict="same",
            note="",
        )  # fmt: skip


def checked_code(claims: Mapping[str, str], *, code: str, commit: str) -> Iterator[Finding]:
    """Whether this checkout is the code that trained the version. Other code is told, and is no fault."""
    if recorded := claims.get("code"):
        note = (
            "" if recorded == code else "this checkout trains by other code: --retrain may give other weights"
        )
        verdict: FoundVerdict = "other code" if note else "same"
        yield Finding(stage="code", recorded=recorded, found=code, verdict=verdict, note=note)
    if recorded := claims.get("commit"):
        notes = []
        if recorded.endswith(DIRTY):
            notes.append("the version was registered from a working copy that held more than its commit")
        if commit.endswith(DIRTY):
            notes.append("this working copy holds changes that are not committed")
        if recorded.removesuffix(DIRTY) != commit.removesuffix(DIRTY):
            notes.append("this checkout is at another commit")
        verdict = "other commit" if notes else "same"
        yield Finding(stage="commit", recorded=recorded, found=commit, verdict=verdict, note="; ".join(notes))


def checked_batches(
    root: Path, landed: list[BatchOrigin], accepted: Mapping[int, tuple[int, int]], *, has_erased: bool
) -> Iterator[Finding]:
    """The batches behind a snapshot: the checked batch as it came, and the rows that are in the warehouse.

    `accepted`: batch → (events that its landing counted, events that are there now).
    """
    received = {
        manifest["parents"].get("received", ""): path for path, manifest in manifests(root, "checked_batch")
    }
    for batch in landed:
        stage = f"batch {batch.batch_id}"
        folder = received.get(batch.digest)
        if folder is None:
            yield missing(stage, batch.digest)
        else:
            try:
                found = verified(folder)["parents"]["received"]
                yield compared(stage, batch.digest, found)
            except ArtifactNewer as error:
                yield missing(stage, batch.digest, str(error))
            except ArtifactDamaged as error:
                yield Finding(
                    stage=stage, recorded=batch.digest, found="damaged", verdict="differs", note=str(error)
                )
        counted, there = accepted[batch.batch_id]
        is_less = has_erased and there < counted
        yield Finding(
            stage=f"rows of batch {batch.batch_id}", recorded=f"{counted:,} events", found=f"{there:,} events",
            verdict="erased" if is_less else "same" if counted == there else "differs",
            note="rows of erased users are gone" if is_less
            else "" if counted == there else "rows were added or removed by other means than recloop's",
        )  # fmt: skip


def manifests(root: Path, kind: str) -> Iterator[tuple[Path, Manifest]]:
    """Folder and manifest of everything of a kind that can be read; their bytes are not checked."""
    bring_here(root, kind)
    for path in sorted((root / kind).glob(f"[!.]*/{MANIFEST}")):
        try:
            yield path.parent, json.loads(path.read_text())
        except ValueError:
            continue


def find_stored(root: Path, kind: str, is_wanted: Callable[[Manifest], bool]) -> Manifest | None:
    """The first manifest of a kind that is wanted; the bytes that it names are not checked."""
    return next((manifest for _, manifest in manifests(root, kind) if is_wanted(manifest)), None)
