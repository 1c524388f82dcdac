"""Retention: published artifacts that are old and that nothing points to any more.

Pointed to is: what the caller keeps (the bundles of registered versions), what a cycle on record, the
promotion ledger, the alpha ledger or the lists that are served name (or would be, after a rollback), what a
stage finished lately gave, and what any of these was made from. All else that is older than asked goes, here and
in the object store (there only what this warehouse names), with what the journal knows of it, so that a stage
that is asked for again works anew. Old runs of lists go with it (see `list_runs`). Run it while no cycle and no
scoring runs: a plan does not know of work that begins after it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, select

from components.artifact import MANIFEST
from components.copies import StoredEntry, copies_of
from components.data.artifact_erasure import DAYS, REMOVED, forget_stages, remove_file, remove_folder
from components.data.list_runs import PrunableRun, drop_run, kept_runs, prunable_runs
from components.data.moments import Clock, to_micros, utc_now
from components.data.schema import (
    alpha_ledger,
    cycles,
    day_partitions,
    promotions,
    snapshots,
    stage_journal,
    superseded,
)
from components.data.warehouse import reading, writing
from components.faults import crash_point

_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
LISTS, SNAPSHOT = "recommendations", "snapshot"
_LENGTH_IN_PAGE = 8  # characters of a digest at the end of a page's name


@dataclass(frozen=True, kw_only=True)
class Prunable:
    """A folder or file that would go."""

    kind: str  # of artifact; "partition", "page", or "aside" for what a kill left
    digest: str  # "" for what has none
    path: Path
    size: int  # bytes
    changed_at: datetime


@dataclass(frozen=True, kw_only=True)
class PruningPlan:
    """What would go; kept are the artifacts that stay."""

    prunable: tuple[Prunable, ...]
    num_kept: int
    num_journal_entries: int  # that go with it
    runs: tuple[PrunableRun, ...] = ()  # whose lists would go from the warehouse

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(entry.size for entry in self.prunable)


@dataclass(frozen=True, kw_only=True)
class _Published:
    kind: str
    digest: str
    parents: frozenset[str]
    path: Path
    size: int  # in the object store; 0 for what is here, where it is asked for when it goes
    changed_at: datetime
    run: str = ""  # of batch scoring, whose lists it holds


def plan_pruning(
    engine: Engine,
    artifacts_root: Path,
    *,
    keep: set[str],
    older_than: timedelta,
    reports: Path | None = None,
    now: Clock = utc_now,
) -> PruningPlan:
    """What has not changed for `older_than` and is not pointed to; removes nothing.

    `keep` are digests of artifacts. `reports` is the folder of pages that are copies of published ones and
    end in the first 8 characters of their digest; a page goes when its artifact is not kept.
    """
    cutoff = now() - older_than
    stored = _in_store(artifacts_root)
    found = list(_published(artifacts_root, stored))
    runs = prunable_runs(engine, begun_before=cutoff)
    with reading(engine) as connection:
        pointed = keep | _pointed_to(connection, cutoff)
        ours = _named(connection) if stored else set()
        served = kept_runs(connection)
        came_from = dict(
            connection.execute(select(superseded.c.digest, superseded.c.successor)).tuples().all()
        )
    pointed |= {digest for run in served for digest in (run.bundle, run.feature_set)}
    pointed |= {entry.digest for entry in found if entry.run in {run.run for run in served}}
    kept = _reachable(found, pointed, came_from)
    young = {entry.digest for entry in found if entry.changed_at >= cutoff}
    kept |= _reachable(found, young, came_from)
    going = [
        *(
            _prunable(p.kind, p.path, digest=p.digest)
            if p.path.exists()
            else Prunable(kind=p.kind, digest=p.digest, path=p.path, size=p.size, changed_at=p.changed_at)
            for p in found
            if p.digest not in kept and (p.path.exists() or p.digest in ours)
        ),
        *_days_without(artifacts_root, [p.path for p in found if p.digest in kept], stored, ours),
        *(_prunable("aside", path) for path in sorted(artifacts_root.glob("*/.*"))),
        *_pages_without(reports, kept),
    ]
    old = tuple(entry for entry in going if entry.changed_at < cutoff or entry.path.name.startswith(REMOVED))
    return PruningPlan(
        prunable=old,
        num_kept=len(found) - sum(bool(entry.digest) and entry.kind != "partition" for entry in old),
        num_journal_entries=_num_entries(engine, old),
        runs=runs,
    )


def prune(engine: Engine, plan: PruningPlan) -> PruningPlan:
    """Remove what the plan names, each out of the way in one step before it is deleted; returns the plan.

    A kill leaves nothing half there: what is left goes with the next plan. Again removes nothing.
    """
    for run in plan.runs:
        drop_run(engine, run.run)
        crash_point("prune:run-dropped")
    for entry in plan.prunable:
        with writing(engine, "artifacts") as connection:
            _forget(connection, entry)
        crash_point("prune:forgotten")
        if entry.kind == "aside":
            shutil.rmtree(entry.path, ignore_errors=True)
            entry.path.unlink(missing_ok=True)
        elif entry.kind in {"partition", "page"}:
            remove_file(entry.path)
        else:
            remove_folder(entry.path)
        crash_point("prune:removed")
    return plan


def _forget(connection: Connection, entry: Prunable) -> None:
    if entry.kind == "partition":
        connection.execute(delete(day_partitions).where(day_partitions.c.sha256 == entry.digest))
    elif entry.digest:
        forget_stages(connection, entry.digest)
        connection.execute(delete(snapshots).where(snapshots.c.digest == entry.digest))


def _pointed_to(connection: Connection, cutoff: datetime) -> set[str]:
    recent = stage_journal.c.finished_at >= to_micros(cutoff)
    queries = (
        select(cycles.c.summary),
        select(promotions.c.evidence),
        select(alpha_ledger.c.window_digest),
        select(alpha_ledger.c.challenger_digest),
        select(alpha_ledger.c.replay).where(alpha_ledger.c.replay.is_not(None)),
        select(stage_journal.c.output).where(recent),
    )
    texts = (text for query in queries for text in connection.execute(query).scalars())
    return {digest for text in texts for digest in _DIGEST.findall(text)}


def _named(connection: Connection) -> set[str]:
    """Digests that this warehouse names anywhere: what lies in the object store under another may be another's."""
    queries = (
        select(stage_journal.c.output),
        select(cycles.c.summary),
        select(snapshots.c.digest),
        select(day_partitions.c.sha256),
        select(superseded.c.digest),
        select(superseded.c.successor).where(superseded.c.successor.is_not(None)),
    )
    texts = (text for query in queries for text in connection.execute(query).scalars())
    return {digest for text in texts for digest in _DIGEST.findall(text)}


def _published(root: Path, stored: Iterable[StoredEntry]) -> Iterator[_Published]:
    """Every published folder, here or in the object store; one whose manifest cannot be read has its name for a
    digest, and no parents.
    """
    elsewhere = {(e.kind, e.name): e for e in stored if e.kind != DAYS}
    for folder in sorted(root.glob("[!.]*/[!.]*")):
        if folder.is_dir() and folder.parent.name != DAYS:
            elsewhere.pop((folder.parent.name, folder.name), None)
            yield _read(folder, folder / MANIFEST, 0, _changed_at(folder))
    for (kind, name), entry in sorted(elsewhere.items()):
        yield _read(root / kind / name, root / kind / name / MANIFEST, entry.size, entry.changed_at)


def _read(folder: Path, manifest_path: Path, size: int, changed_at: datetime) -> _Published:
    try:
        manifest = json.loads(_text(manifest_path))
        digest, parents = manifest["digest"], frozenset(manifest["parents"].values())
        run = str(manifest["config"].get("run", "")) if folder.parent.name == LISTS else ""
    except (OSError, ValueError, KeyError, TypeError):
        digest, parents, run = folder.name, frozenset(), ""
    return _Published(
        kind=folder.parent.name, digest=digest, parents=parents, path=folder, size=size,
        changed_at=changed_at, run=run,
    )  # fmt: skip


def _in_store(root: Path) -> list[StoredEntry]:
    copies = copies_of(root)
    return copies.entries() if copies else []


def _text(path: Path) -> str:
    """A file of an artifact, from here or from the object store. Raises FileNotFoundError."""
    copies = None if path.exists() else copies_of(path)
    return copies.read_text(path) if copies else path.read_text()


def _reachable(
    found: Iterable[_Published], pointed: Iterable[str], came_from: Mapping[str, str | None]
) -> set[str]:
    """Digests that are pointed to, what they were made from, and what took the place of any of them."""
    parents = {entry.digest: entry.parents for entry in found}
    waiting, reached = list(pointed), set()
    while waiting:
        digest = waiting.pop()
        if digest in reached:
            continue
        reached.add(digest)
        waiting += parents.get(digest, ())
        if successor := came_from.get(digest):
            waiting.append(successor)
    return reached


def _days_without(
    root: Path, kept: Iterable[Path], stored: Iterable[StoredEntry], ours: set[str]
) -> Iterator[Prunable]:
    """Day files that no kept snapshot names."""
    named = set()
    for folder in kept:
        if folder.parent.name == SNAPSHOT:
            with suppress(FileNotFoundError):
                named |= {part["sha256"] for part in json.loads(_text(folder / "partitions.json"))}
    here = {path.name for path in (root / DAYS).glob("[!.]*.parquet")}
    for path in (root / DAYS / name for name in sorted(here)):
        if path.stem not in named:
            yield _prunable("partition", path, digest=path.stem)
    for entry in stored:
        path = root / DAYS / entry.name
        if entry.kind == DAYS and entry.name not in here and path.stem in ours - named:
            yield Prunable(
                kind="partition", digest=path.stem, path=path, size=entry.size, changed_at=entry.changed_at
            )


def _pages_without(reports: Path | None, kept: set[str]) -> Iterator[Prunable]:
    """Pages whose artifact is not kept; what does not end like a page of ours is left alone."""
    shown = {digest[:_LENGTH_IN_PAGE] for digest in kept}
    for path in sorted(reports.glob("*.html")) if reports else ():
        ending = path.stem.rpartition("-")[2]
        if re.fullmatch(r"[0-9a-f]{8}", ending) and ending not in shown:
            yield _prunable("page", path)


def _prunable(kind: str, path: Path, *, digest: str = "") -> Prunable:
    return Prunable(kind=kind, digest=digest, path=path, size=_size(path), changed_at=_changed_at(path))


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)


def _changed_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _num_entries(engine: Engine, going: Iterable[Prunable]) -> int:
    digests = {entry.digest for entry in going if entry.digest}
    with reading(engine) as connection:
        outputs = connection.execute(select(stage_journal.c.output)).scalars()
        return sum(not digests.isdisjoint(_DIGEST.findall(output)) for output in outputs)
