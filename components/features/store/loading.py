"""Which rows a materialization has to write: those of the newest cut that are not online as they are.

What is online is known from the row of `freshness`: all of a cut's file, named by its SHA-256. Where that file is gone
or another (an erasure, a cut written again), where it holds users that the newest cut lacks, or where earlier cuts do,
nothing is assumed and the cut is loaded whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.artifact import sha256_file
from components.features.sequences import LIST_COLUMNS
from components.features.store import freshness
from components.features.store.freshness import Freshness
from components.features.store.offline import USER_SEQUENCE, cuts_of
from components.features.store.opening import OpenStore
from components.features.store.retrieval import RECOMMENDER_SERVICE
from components.features.store.sequence_versions import that_differ

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROWS_A_WRITE = 2_000  # Feast holds each value as an object
_COMPARED = ("user_id", *LIST_COLUMNS, "num_events")


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A cut's file and its stamp in microseconds."""

    stamp: int
    path: Path


@dataclass(frozen=True, kw_only=True)
class Needed:
    """The cuts from `moment` on hold the latest row of every user."""

    moment: datetime
    newest: Cut
    sha256: str  # of the newest cut's file, taken before its rows are read

    @property
    def is_newest_alone(self) -> bool:
        return self.moment == _EPOCH + timedelta(microseconds=self.newest.stamp)


def first_needed(home: Path, start: datetime, inside: pd.Timestamp) -> Needed | None:
    """Of the cuts within [start, inside]; None where there is none."""
    begin, end = pd.Timestamp(start).value // 1000, inside.value // 1000
    cuts = [Cut(stamp=at, path=path) for at, path in cuts_of(home) if begin <= at <= end]
    if not cuts:
        return None
    oldest, seen = cuts[-1].stamp, pa.array([], pa.string())
    for cut in reversed(cuts):
        users = pq.read_table(cut.path, columns=["user_id"])["user_id"].combine_chunks()
        others = users.filter(pc.invert(pc.is_in(users, value_set=seen)))
        if len(others):
            oldest, seen = cut.stamp, pa.concat_arrays([seen, others])
    moment, newest = _EPOCH + timedelta(microseconds=oldest), cuts[-1]
    return Needed(moment=moment, newest=newest, sha256=sha256_file(newest.path))


def load_changes(store: OpenStore, needed: Needed, inside: pd.Timestamp, *, fresh: Freshness | None) -> bool:
    """Write what has changed since the cut that `fresh` tells of; False, and nothing done, where that is not known."""
    if fresh is None or not needed.is_newest_alone or fresh.until > needed.newest.stamp:
        return False
    before = next((path for at, path in cuts_of(store.home) if at == fresh.until), None)
    if before is None or sha256_file(before) != fresh.file:
        return False
    if pq.read_schema(before).names != pq.read_schema(needed.newest.path).names:
        return False  # a column that is new is missing online for everybody
    if needed.newest.stamp == fresh.until:
        return True
    rows = changed(pq.read_table(before, columns=list(_COMPARED)), pq.read_table(needed.newest.path))
    if rows is None:
        return False
    for begin in range(0, len(rows), _ROWS_A_WRITE):
        store.feast.write_to_online_store(USER_SEQUENCE, rows.slice(begin, _ROWS_A_WRITE).to_pandas())
    tell_fresh(store, needed, since=fresh.since, was=fresh)
    view = store.feast.registry.get_feature_view(USER_SEQUENCE, store.feast.project)
    since = _EPOCH + timedelta(microseconds=fresh.until)
    store.feast.registry.apply_materialization(view, store.feast.project, since, inside.to_pydatetime())
    return True


def changed(before: pa.Table, now: pa.Table) -> pa.Table | None:
    """Rows of `now` that say something else than the same user's before; None if a user of before is in none."""
    if pc.count_distinct(before["user_id"]).as_py() != len(before):
        return None
    place = pc.index_in(now["user_id"], value_set=before["user_id"].combine_chunks())
    known = np.flatnonzero(place.is_valid().to_numpy())
    if len(known) != len(before):
        return None
    then = before.take(place.drop_null())
    same_users = now.select(_COMPARED).take(pa.array(known))
    differs = np.ones(len(now), dtype=bool)
    counts = (table["num_events"].to_numpy() for table in (then, same_users))
    differs[known] = np.not_equal(*counts)
    rest = np.flatnonzero(~differs[known])
    differs[known[that_differ(then, same_users, rest)]] = True
    return now.filter(pa.array(differs))


def tell_fresh(store: OpenStore, needed: Needed, *, since: int | None = None, was: Freshness | None) -> None:
    """Say that all of the newest cut is online: row by row, or for rows of the cut `since` on.

    Where somebody else has told another cut meanwhile, on another machine, rows of both may lie there: then no file
    is named, and the next load is whole.
    """
    stamp = needed.newest.stamp
    alone = online_now(store) == was
    told = Freshness(
        since=stamp if since is None else since, until=stamp, file=needed.sha256 if alone else ""
    )
    store.feast.write_to_online_store(USER_SEQUENCE, freshness.row_of(told))


def online_now(store: OpenStore) -> Freshness | None:
    """What the row of `freshness` tells; None before the first load."""
    service = store.feast.get_feature_service(RECOMMENDER_SERVICE)
    answer = store.feast.get_online_features(service, [{"user_id": freshness.KEY}]).to_dict()
    return freshness.split(answer)[1]
