"""Lists of everybody by one version, chunk by chunk into parquet: what was written before a kill is not scored again.

A run's rows carry what they are traced by: version, bundle, feature set, how fresh the features were, and when they
were scored. Parts are written aside and moved in one step, and the run's folder is published whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.artifact import ArtifactRef, publish
from components.faults import crash_point
from components.serving.histories import MOMENT, UserHistories, histories_of, nobody
from components.serving.loaded import NEW_USER, NO_KNOWN_ITEM, LoadedVersion
from components.serving.ranking import places_asked

KIND = "recommendations"
_BEGUN, _NOBODY = "begun.json", "new-user.parquet"
_WORD = pa.dictionary(pa.int32(), pa.string())
LISTS = pa.schema(
    [
        ("user_id", pa.string()),  # "": whoever is in no list
        ("rank", pa.int32()),  # from 1
        ("item_id", pa.string()),
        ("score", pa.float64()),
        ("model_version", _WORD),
        ("bundle", _WORD),
        ("feature_set", _WORD),
        ("features_as_of", MOMENT),  # null: made of no features
        ("scored_at", MOMENT),
        ("fallback", _WORD),  # null, new_user or no_known_item: the list is that of an empty history
    ]
)
OnScored = Callable[[int, int], None]  # users so far, users of the cut or a few more


@dataclass(frozen=True, kw_only=True)
class BatchRun:
    """What all rows of a run have in common, and how its lists are made."""

    run: str
    model_version: str
    bundle: str
    feature_set: str  # that is online; "" if not known
    k: int
    exclude_seen: bool
    users_at_once: int


@dataclass(frozen=True, kw_only=True)
class BatchFigures:
    """What a run came to. Users are those with a list of their own."""

    num_users: int
    num_fallback: int  # of them: nothing that they had is known to the version
    num_items: int  # different items in all lists
    scored_at: str  # ISO 8601, UTC


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a run has to write, chunk by chunk; one that is there is left as it is."""

    folder: Path
    run: BatchRun
    scored_at: datetime

    def write(self, version: LoadedVersion, number: int, chunk: pa.Table) -> None:
        _write_part(
            self.folder / f"part-{number:05d}.parquet",
            lambda: lists_of(version, chunk, self.run, self.scored_at),
        )


WriteParts = Callable[[Parts, UserHistories, OnScored | None], None]


def score_everybody(
    version: LoadedVersion,
    source: UserHistories,
    run: BatchRun,
    root: Path,
    *,
    now: Callable[[], datetime],
    parents: dict[str, str],
    on_step: OnScored | None = None,
    write: WriteParts | None = None,
) -> tuple[ArtifactRef, BatchFigures]:
    """Score every user and publish the run's folder under `root/recommendations/`. `write` makes the parts: by default
    here, one after another.

    Where the same run was cut off, the parts that are there stay, and so does the moment that it was begun at: the
    outcome is the same. In memory are one chunk of users and its lists.
    """
    folder = root / KIND / f".begun-{run.run}"
    folder.mkdir(parents=True, exist_ok=True)
    scored_at = _begun_at(folder, now)
    _write_part(folder / _NOBODY, lambda: lists_of(version, nobody(), run, scored_at))
    (write or partial(_write_here, version))(
        Parts(folder=folder, run=run, scored_at=scored_at), source, on_step
    )
    figures = _figures(folder, scored_at)
    ref = publish(
        root,
        KIND,
        lambda aside: _link_parts(folder, aside),
        parents=parents,
        config=asdict(run) | asdict(figures),
    )
    crash_point("scoring:published")
    shutil.rmtree(folder, ignore_errors=True)
    return ref, figures


def _write_here(
    version: LoadedVersion, parts: Parts, source: UserHistories, on_step: OnScored | None
) -> None:
    done = 0
    for number, chunk in enumerate(source.chunks(parts.run.users_at_once)):
        parts.write(version, number, chunk)
        done += len(chunk)
        if on_step is not None:
            on_step(done, max(done, source.num_users))


def lists_of(version: LoadedVersion, chunk: pa.Table, run: BatchRun, scored_at: datetime) -> pa.Table:
    """The lists of a chunk of users as LISTS, users in their order, best first.

    Asked as the scoring server asks, so that both give the same list.
    """
    histories = histories_of(version, chunk)
    size = min(places_asked(run.k), len(version.item_ids))
    ranked = version.arm.recommend(histories, k=size, exclude_seen=run.exclude_seen)
    items = ranked.items[:, : run.k]
    row, place = np.nonzero(items >= 0)
    common = {"model_version": run.model_version, "bundle": run.bundle, "feature_set": run.feature_set}
    columns = {
        "user_id": chunk["user_id"].take(pa.array(row)),
        "rank": pa.array(place + 1, pa.int32()),
        "item_id": version.arrow_item_ids.take(pa.array(items[row, place])),
        "score": pa.array(ranked.scores[row, place].astype(np.float64)),
        "features_as_of": chunk["features_as_of"].take(pa.array(row)),
        "scored_at": pa.repeat(pa.scalar(scored_at, MOMENT), len(row)),
        "fallback": pa.array(
            _fallbacks(version, histories.items, histories.start, histories.end)[row], _WORD
        ),
    }
    columns |= {
        name: pa.repeat(pa.scalar(value, pa.string()), len(row)).cast(_WORD) for name, value in common.items()
    }
    return pa.table({field.name: columns[field.name] for field in LISTS}, schema=LISTS)


def read_parts(ref: ArtifactRef) -> Iterator[pa.Table]:
    """The lists of a published run, a part at a time; that of new users first."""
    for path in _parts(Path(ref.path)):
        yield pq.read_table(path, schema=LISTS)


def _fallbacks(version: LoadedVersion, items: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """[request] None where the version knows an item of the history, else why its list is that of an empty one."""
    known = np.concatenate([[0], np.cumsum(items < len(version.item_ids))])
    why = np.full(len(start), None, dtype=object)
    why[known[end] == known[start]] = NO_KNOWN_ITEM
    why[end == start] = NEW_USER
    return why


def _begun_at(folder: Path, now: Callable[[], datetime]) -> datetime:
    """When this run was begun, kept with it: a run that goes on scores as of the same moment."""
    path = folder / _BEGUN
    if not path.exists():
        moment = now().astimezone(UTC).isoformat(timespec="microseconds")
        _replace(path, lambda aside: aside.write_text(json.dumps({"scored_at": moment})))
        crash_point("scoring:begun")
    return datetime.fromisoformat(json.loads(path.read_text())["scored_at"])


def _write_part(path: Path, make: Callable[[], pa.Table]) -> None:
    if path.exists():
        return
    table = make()
    _replace(path, lambda aside: pq.write_table(table, aside, compression="zstd"))
    crash_point(f"scoring:{path.stem}")


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    aside = path.with_name(f".{path.name}")
    write(aside)
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(aside, path)


def _parts(folder: Path) -> list[Path]:
    return [folder / _NOBODY, *sorted(folder.glob("part-*.parquet"))]


def _link_parts(folder: Path, aside: Path) -> None:
    """Into the folder that is published; they stay where they are until it is."""
    for path in _parts(folder):
        try:
            os.link(path, aside / path.name)
        except OSError:  # another file system, or one without links
            shutil.copyfile(path, aside / path.name)


def _figures(folder: Path, scored_at: datetime) -> BatchFigures:
    users = fallbacks = 0
    items: set[str] = set()
    for path in _parts(folder)[1:]:
        table = pq.read_table(path, columns=["rank", "item_id", "fallback"])
        first = pc.equal(table["rank"], 1)
        users += pc.sum(first).as_py() or 0
        fallbacks += pc.sum(pc.and_(first, pc.is_valid(table["fallback"]))).as_py() or 0
        items.update(pc.unique(table["item_id"]).to_pylist())
    return BatchFigures(
        num_users=users,
        num_fallback=fallbacks,
        num_items=len(items),
        scored_at=scored_at.isoformat(),
    )
