"""Retention: published artifacts that are old and that nothing points to any more.

Pointed to is: what the caller keeps (the bundles of registered versions), what a cycle on record, the
promotion ledger, the alpha ledger or the lists that are served name (or would be, after a rollback), what a
stage finished lately gave, and what any of these was made from. All else that is older than asked goes, with
what the journal knows of it, so that a stage that is asked for again works anew. Old runs of lists go with it
(see `list_runs`). Run it while no cycle and no scoring runs: a plan does not know of work that begins after it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, select

from components.artifact import MANIFEST
from components.data.artifact_erasure import REMOVED, forget_stages, remove_folder
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
_DAYS, LISTS = "partitions", "recommendations"
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
    found = list(_published(artifacts_root))
    runs = prunable_runs(engine, begun_before=cutoff)
    with reading(engine) as connection:
        pointed = keep | _pointed_to(connection, cutoff)
        served = kept_runs(connection)
        came_from = dict(
            connection.execute(select(superseded.c.digest, superseded.c.successor)).tuples().all()
        )
    pointed |= {digest for run in served for digest in (run.bundle, run.feature_set)}
    pointed |= {entry.digest for entry in found if entry.run in {run.run for run in served}}
    kept = _reachable(found, pointed, came_from)
    young = {entry.digest for entry in found if _changed_at(entry.path) >= cutoff}
    kept |= _reachable(found, young, came_from)
    going = [
        *(_prunable(p.kind, p.path, digest=p.digest) for p in found if p.digest not in kept),
        *_days_without(artifacts_root, [p.path for p in found if p.digest in kept]),
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
        if entry.path.is_dir():
            if entry.kind == "aside":
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                remove_folder(entry.path)
        else:
            entry.path.unlink(missing_ok=True)
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


def _published(root: Path) -> Iterator[_Published]:
    """Every published folder; one whose manifest cannot be read has its name for a digest, and no parents."""
    for folder in sorted(root.glob("[!.]*/[!.]*")):
        if not folder.is_dir() or folder.parent.name == _DAYS:
            continue
        try:
            manifest = json.loads((folder / MANIFEST).read_text())
            digest, parents = manifest["digest"], frozenset(manifest["parents"].values())
            run = str(manifest["config"].get("run", "")) if folder.parent.name == LISTS else ""
        except (OSError, ValueError, KeyError, TypeError):
            digest, parents, run = folder.name, frozenset(), ""
        yield _Published(kind=folder.parent.name, digest=digest, parents=parents, path=folder, run=run)


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


def _days_without(root: Path, kept: Iterable[Path]) -> Iterator[Prunable]:
    """Day files that no kept snapshot names."""
    named = set()
    for folder in kept:
        if (listed := folder / "partitions.json").exists():
            named |= {part["sha256"] for part in json.loads(listed.read_text())}
    for path in sorted((root / _DAYS).glob("[!.]*.parquet")):
        if path.stem not in named:
            yield _prunable("partition", path, digest=path.stem)


def _pages_without(reports: Path | None, kept: set[str]) -> Iterator[Prunable]:
    """Pages whose artifact is not kept; what does not end like a page of ours is left alone."""
    shown = {digest[:_LENGTH_IN_PAGE] for digest in kept}
    for path in sorted(reports.glob("*.html")) if reports else ():
        ending = path.stem.rpartition("-")[2]
        if re.fullmatch(r"[0-9a-f]{8}", ending) and ending not in shown:
            yield _prunable("page", path)


def _prunable(kind: str, path: Path, *, digest: str = "") -> Prunable:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    size = sum(file.stat().st_size for file in files)
    return Prunable(kind=kind, digest=digest, path=path, size=size, changed_at=_changed_at(path))


def _changed_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _num_entries(engine: Engine, going: Iterable[Prunable]) -> int:
    digests = {entry.digest for entry in going if entry.digest}
    with reading(engine) as connection:
        outputs = connection.execute(select(stage_journal.c.output)).scalars()
        return sum(not digests.isdisjoint(_DIGEST.findall(output)) for output in outputs)
