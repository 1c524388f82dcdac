"""Features as of a moment: Feast's point-in-time join, held to its promises.

Row order is not kept by the join and rows have been seen to vanish in it, so a row id goes in, comes out,
and is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.features.sequences import LIST_COLUMNS
from components.features.store.file_cache import read_files_anew
from components.features.store.offline import item_view
from components.features.store.opening import OpenStore
from components.features.vectors import ItemVectors, modality_health

RECOMMENDER_SERVICE = "recommender_v1"
TOKENIZER_SERVICE = "tokenizer_v1"
_ROW = "row_id"
_MOMENT = pa.timestamp("us", tz="UTC")


class PointInTimeBroken(Exception):
    """A retrieval lost or doubled rows, or gave a row something of its future. Nothing of it may be used."""


class EncoderMismatch(Exception):
    """The store's vectors are of another space than the caller asked for."""


def training_rows(store: OpenStore, spine: pd.DataFrame) -> pa.Table:
    """The sequence of every user of the spine as it was known at the row's moment.

    `spine`: user_id, event_timestamp (see `training_spine`), any further columns are ignored. Returned in
    the spine's order: user_id, event_timestamp, item_ids, event_types, times, num_events, cut_at. A user
    without a row yet has empty lists, num_events 0 and no cut_at. In memory are the rows as columns, and what Feast
    joins them from: the rows of every cut that the store holds.

    Raises PointInTimeBroken if rows out differ from rows in, or a sequence holds an event that is later than
    its row's moment.
    """
    if not isinstance(spine["event_timestamp"].dtype, pd.DatetimeTZDtype):
        raise ValueError("the spine's event_timestamp has no time zone; make it with training_spine")
    frame = spine[["user_id", "event_timestamp"]].reset_index(drop=True)
    frame["event_timestamp"] = frame["event_timestamp"].dt.tz_convert("UTC").dt.as_unit("us")
    table = _joined(store, frame, RECOMMENDER_SERVICE, full_names=False)
    rows = pa.table(
        {
            "user_id": pa.array(frame["user_id"], pa.string()),
            "event_timestamp": pa.array(frame["event_timestamp"], _MOMENT),
            **{name: _without_nulls(table[name]) for name in LIST_COLUMNS},
            "num_events": pc.fill_null(table["num_events"], 0),
            "cut_at": table["cut_us"].cast(_MOMENT),
        }
    )
    _refuse_future(rows)
    return rows


def item_vector_rows(
    store: OpenStore, item_ids: np.ndarray, *, at: datetime, encoders: Mapping[str, str]
) -> ItemVectors:
    """The vectors of these items as of a moment, for the modalities and encoder ids that are asked for.

    Items without a row of a modality by then are missing in it; a modality that none of them has is absent.
    Raises EncoderMismatch if a vector is of another encoder, PointInTimeBroken as `training_rows` does.
    """
    ordered = np.array(sorted(item_ids), dtype=object)
    moment = pd.Timestamp(at).tz_convert("UTC").as_unit("us")
    spine = pd.DataFrame({"item_id": ordered, "event_timestamp": moment})
    table = _joined(store, spine, TOKENIZER_SERVICE, full_names=True)
    vectors, present = {}, {}
    for modality, expected in sorted(encoders.items()):
        view = item_view(modality)
        column, found = table[f"{view}__vector"], table[f"{view}__encoder"]
        for other in pc.unique(found.drop_null()).to_pylist():
            if other != expected:
                raise EncoderMismatch(
                    f"{view}: holds vectors of {other}, asked for {expected}. Encode all items again with "
                    "one encoder, or ask for the one that is stored."
                )
        if found.null_count < len(ordered):
            vectors[modality] = _matrix(column)
            present[modality] = pc.fill_null(table[f"{view}__present"], False).to_numpy(zero_copy_only=False)
    return ItemVectors(
        item_ids=ordered,
        vectors=vectors,
        present=present,
        encoders={modality: encoders[modality] for modality in vectors},
        health={m: modality_health(vectors[m], present[m]) for m in vectors},
    )


def moments(micros: pa.ChunkedArray) -> pd.Series:
    """Epoch microseconds as UTC moments, null as NaT."""
    return pd.Series(pc.cast(micros, pa.timestamp("us", tz="UTC")).to_pandas())


def _joined(store: OpenStore, spine: pd.DataFrame, service: str, *, full_names: bool) -> pa.Table:
    """Feast's join, in the spine's order, rows out equal to rows in."""
    if spine.empty:
        raise ValueError("the spine is empty: pass at least one key and its moment")
    if store.feast.config.offline_store.type == "duckdb":
        read_files_anew()
    entity_rows = spine.assign(**{_ROW: np.arange(len(spine))})
    job = store.feast.get_historical_features(
        entity_rows, store.feast.get_feature_service(service), full_feature_names=full_names
    )
    table = job.to_arrow().sort_by(_ROW)
    if not np.array_equal(table[_ROW].to_numpy(), np.arange(len(spine))):
        raise PointInTimeBroken(
            f"{service}: {len(spine)} rows went into Feast's join and {table.num_rows} came out, or others. "
            "feature_store.yaml must name the duckdb offline store; the default one drops rows."
        )
    return table


def _without_nulls(lists: pa.ChunkedArray) -> pa.ListArray:
    """The same lists, an empty one where there is none."""
    rows = lists.combine_chunks()
    ends = np.cumsum(pc.fill_null(rows.value_lengths(), 0).to_numpy(zero_copy_only=False), dtype=np.int64)
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), rows.flatten())


def _refuse_future(rows: pa.Table) -> None:
    times = rows["times"].combine_chunks()
    begins, ends = (times.offsets[part].to_numpy() for part in (slice(0, -1), slice(1, None)))
    with_events = np.flatnonzero(ends > begins)
    latest = np.full(len(rows), -(2**62))
    if len(with_events):  # lists without events take no room between the others
        latest[with_events] = np.maximum.reduceat(times.flatten().to_numpy(), begins[with_events])
    asked = rows["event_timestamp"].cast(pa.int64()).to_numpy() // 1_000_000
    if (leaked := np.flatnonzero(latest > asked)).size:
        first = int(leaked[0])
        raise PointInTimeBroken(
            f"{leaked.size} of {len(rows)} sequences hold an event later than their row's moment; first is "
            f"user {rows['user_id'][first]} at {rows['event_timestamp'][first].as_py()}, with one of "
            f"{latest[first]} s. Remove the cut's file from the offline store and write it again from the snapshot."
        )


def _matrix(vectors: pa.ChunkedArray) -> np.ndarray:
    """[item, dim] float32; a null row is zeros."""
    rows = vectors.combine_chunks()
    lengths = rows.value_lengths().drop_null()
    out = np.zeros((len(rows), lengths[0].as_py()), dtype=np.float32)
    filled = rows.is_valid().to_numpy(zero_copy_only=False)
    out[filled] = rows.drop_null().flatten().to_numpy().reshape(filled.sum(), -1)
    return out
