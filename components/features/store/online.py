"""What scoring sees: sequences loaded into the online store, read back with their age."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
from filelock import FileLock

from components.features.sequences import LIST_COLUMNS, last_instant
from components.features.store import freshness
from components.features.store.loading import first_needed, load_changes, online_now, tell_fresh
from components.features.store.offline import USER_SEQUENCE
from components.features.store.opening import OpenStore
from components.features.store.retrieval import RECOMMENDER_SERVICE, moments

# Feast imports it by the name in its configuration
RUNS_BY_PATH = "components/features/store/latest_engine.py"
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_KEYS_PER_READ = 1000  # SQLite binds each key as a variable


@dataclass(frozen=True, kw_only=True)
class Materialized:
    """The interval [start, end) whose latest rows are online."""

    start: datetime
    end: datetime


def materialize(store: OpenStore, *, end: datetime, start: datetime = BEGINNING) -> Materialized:
    """Load the latest sequence of every user within [start, end) into the online store.

    An online write overwrites what is newer, and Feast remembers how far it has loaded. So an `end` before
    one already loaded is moved up to that: whatever the order of calls, each user's latest row is online.

    Where all of an earlier cut is online, only the rows that differ from it are written, and how far the others are
    known (see `freshness`): time grows with the users who did something, but for reading both cuts. Else every user of
    the newest cut is written; earlier cuts are read for users that no later one holds.
    """
    with FileLock(store.home / "materialize.lock"):  # training and scoring may both be at it
        return _materialize(store, start, end)


def _materialize(store: OpenStore, start: datetime, end: datetime) -> Materialized:
    feast, fresh = store.feast, online_now(store)
    loaded = feast.registry.get_feature_view(USER_SEQUENCE, feast.project).materialization_intervals
    told = [pd.Timestamp(fresh.until, unit="us", tz="UTC")] if fresh else []
    inside = max([last_instant(end), *(pd.Timestamp(until) for _, until in loaded), *told])
    first = first_needed(store.home, start, inside)
    with redirect_stdout(io.StringIO()):  # Feast prints its own headings
        if first is None:
            feast.materialize(start, inside.to_pydatetime(), feature_views=[USER_SEQUENCE])
        elif not (start == BEGINNING and load_changes(store, first, inside, fresh=fresh)):
            feast.materialize(first.moment, inside.to_pydatetime(), feature_views=[USER_SEQUENCE])
            tell_fresh(store, first, was=fresh)
    return Materialized(start=start, end=(inside + timedelta(microseconds=1)).to_pydatetime())


def online_sequences(
    store: OpenStore, user_ids: Sequence[str], *, as_of: datetime, max_age: timedelta
) -> pd.DataFrame:
    """The sequences that are online for these users, in their order.

    Columns: user_id, item_ids, event_types, times, num_events, cut_at, age (as_of − cut_at), known, stale.
    A user who is not online has empty lists, known False, and no age. A row is stale if it is older than
    `max_age`, or cut after `as_of`: then it is not of that moment. Feast applies no ttl here.
    """
    service = store.feast.get_feature_service(RECOMMENDER_SERVICE)
    features: dict[str, list] = {name: [] for name in ("user_id", *LIST_COLUMNS, "num_events", "cut_us")}
    for first in range(0, len(user_ids), _KEYS_PER_READ):
        keys = [{"user_id": user} for user in (*user_ids[first : first + _KEYS_PER_READ], freshness.KEY)]
        answer, _ = freshness.split(store.feast.get_online_features(service, keys).to_dict())
        for name, values in features.items():
            values += answer[name]
    frame = pd.DataFrame({"user_id": pd.Series(features["user_id"], dtype=object)})
    for name in LIST_COLUMNS:
        frame[name] = pd.Series([row or [] for row in features[name]], dtype=object)
    frame["num_events"] = pd.Series([n or 0 for n in features["num_events"]], dtype="int64")
    frame["cut_at"] = moments(pa.chunked_array([pa.array(features["cut_us"], pa.int64())]))
    frame["age"] = pd.Timestamp(as_of) - frame["cut_at"]
    frame["known"] = frame["cut_at"].notna()
    frame["stale"] = frame["known"] & ((frame["age"] > max_age) | (frame["age"] < timedelta(0)))
    return frame
