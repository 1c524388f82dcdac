"""Lists of batch scoring in the online store: a row a run and user, so that the next run's never mix with these.

Which run is served is said elsewhere (the warehouse's pointer): a reader asks for that run's row. So a run may be
pushed in any pieces and again, nothing of it is seen before the pointer moves, and a rollback moves it back.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
from feast.data_source import PushMode
from feast.infra.key_encoding_utils import deserialize_entity_key

from components.features.store.offline import USER_LISTS
from components.features.store.online_rows import OnlineRows, online_rows
from components.features.store.opening import OpenStore, apply_definitions
from components.features.store.retrieval import RECOMMENDER_SERVICE

LISTS_SERVICE, PUSH_SOURCE = "recommendations_v1", "recommendation_lists"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_MADE_BY = ("model_version", "bundle", "feature_set", "features_as_of", "scored_at")
_ROWS_A_PUSH = 2_000  # Feast holds each value as an object


@dataclass(frozen=True, kw_only=True)
class PushedList:
    """A list as it is online, best first, with what made it."""

    user_id: str
    item_ids: Sequence[str]
    scores: Sequence[float]
    model_version: str
    bundle: str
    feature_set: str
    features_as_of: datetime | None  # None: made of no features
    scored_at: datetime


def make_lists_ready(store: OpenStore) -> None:
    """Define the view of lists where an older store has none."""
    services = {service.name: service for service in store.feast.list_feature_services()}
    if LISTS_SERVICE not in services:
        known = services.get(RECOMMENDER_SERVICE)
        apply_definitions(store, feature_set=known.tags.get("feature_set", "") if known else "")


def push_lists(store: OpenStore, run: str, lists: pa.Table) -> int:
    """Push whole lists of a run; returns how many. The same again changes nothing.

    `lists`, a row a place: user_id, item_id, score, model_version, bundle, feature_set, features_as_of and
    scored_at (moments, the former may be null), the rows of a user together, best first.
    """
    rows = _row_a_list(run, lists)
    for begin in range(0, len(rows), _ROWS_A_PUSH):
        store.feast.push(PUSH_SOURCE, rows.iloc[begin : begin + _ROWS_A_PUSH], to=PushMode.ONLINE)
    return len(rows)


def pushed_lists(store: OpenStore, run: str, user_ids: Sequence[str]) -> list[PushedList | None]:
    """The lists of these users in a run, in their order; None for a user without one there."""
    if not user_ids:
        return []
    service = store.feast.get_feature_service(LISTS_SERVICE, allow_cache=True)
    keys = [{"scoring_run": run, "user_id": user} for user in user_ids]
    answer = store.feast.get_online_features(service, keys).to_dict()
    columns = (answer[name] for name in ("listed_item_ids", "listed_scores", "list_made_by"))
    return [
        None if row[2] is None else _pushed(user, *row)
        for user, row in zip(user_ids, zip(*columns, strict=True), strict=True)
    ]


def count_lists(store: OpenStore, runs: Collection[str]) -> int:
    """Lists of these runs that are online. Raises OnlineStoreUnknown."""
    with online_rows(store) as rows:
        return sum(1 for _, run, _ in _keys(rows) if run in runs)


def drop_lists(store: OpenStore, runs: Collection[str]) -> None:
    """Remove the lists of these runs, whoever they are of. Raises OnlineStoreUnknown."""
    with online_rows(store) as rows:
        rows.delete(USER_LISTS, [key for key, run, _ in _keys(rows) if run in runs])


def keys_of_user(rows: OnlineRows, user_id: str) -> list[bytes]:
    """Entity keys of a user's lists, of whichever run."""
    return [key for key, _, user in _keys(rows) if user == user_id]


def _keys(rows: OnlineRows) -> Iterator[tuple[bytes, str, str]]:
    """(key, run, user) of every list."""
    for key in rows.keys(USER_LISTS):
        read = deserialize_entity_key(key, entity_key_serialization_version=3)
        values = dict(zip(read.join_keys, (value.string_val for value in read.entity_values), strict=True))
        yield key, values["scoring_run"], values["user_id"]


def _row_a_list(run: str, lists: pa.Table) -> pd.DataFrame:
    users = _plain(lists["user_id"]).to_numpy(zero_copy_only=False)
    begins = np.flatnonzero(np.concatenate([[True], users[1:] != users[:-1]])[: len(users)])
    cuts = list(zip(begins.tolist(), [*begins[1:].tolist(), len(users)], strict=False))
    items, scores = _plain(lists["item_id"]).to_pylist(), _plain(lists["score"]).to_pylist()
    facts = [_plain(lists[name].take(pa.array(begins))).to_pylist() for name in _MADE_BY]
    told = {row: _as_json(row) for row in dict.fromkeys(zip(*facts, strict=True))}
    at = pd.to_datetime(facts[-1], unit="us", utc=True)
    return pd.DataFrame(
        {
            "scoring_run": run,
            "user_id": users[begins],
            "listed_item_ids": [items[a:b] for a, b in cuts],
            "listed_scores": [scores[a:b] for a, b in cuts],
            "list_made_by": [told[row] for row in zip(*facts, strict=True)],
            "event_timestamp": at,
            "created_timestamp": at,
        }
    )


def _as_json(facts: Sequence[str | int | None]) -> str:
    told = dict(zip(_MADE_BY, facts, strict=True))
    for name in ("features_as_of", "scored_at"):
        told[name] = None if told[name] is None else _moment(told[name]).isoformat()  # type: ignore[arg-type]
    return json.dumps(told)


def _pushed(user_id: str, item_ids: list[str] | None, scores: list[float] | None, made_by: str) -> PushedList:
    facts = json.loads(made_by)
    as_of = facts["features_as_of"]
    return PushedList(
        user_id=user_id,
        item_ids=item_ids or (),
        scores=scores or (),
        model_version=facts["model_version"],
        bundle=facts["bundle"],
        feature_set=facts["feature_set"],
        features_as_of=None if as_of is None else datetime.fromisoformat(as_of),
        scored_at=datetime.fromisoformat(facts["scored_at"]),
    )


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without dictionaries; moments as microseconds."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return column


def _moment(micros: int) -> datetime:
    return _BEGINNING + timedelta(microseconds=micros)
