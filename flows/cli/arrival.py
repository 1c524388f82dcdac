"""What is said of a batch: what has not arrived yet, and why rows were refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from components.data.batch import Batch
from components.data.sources.item_vectors import SourceVectors
from flows.local.console import console
from flows.request import BatchRequest


def say_what_is_left(request: BatchRequest) -> None:
    """Events from `as_of` on have not arrived yet: say how many they are."""
    if request.as_of is None:
        return
    source = request.opened_source()
    if later := len(source.read(since=request.as_of, until=None).events):
        console.print(
            f"{later:,} events are not earlier than --as-of {request.as_of:%Y-%m-%dT%H:%M:%S%z}: they are left for "
            "a later batch. Pass a later --as-of to take them now."
        )


def say_readings(batch: Batch) -> None:
    """Of each table: the file, which columns were taken as what, which were left, and what was taken for granted."""
    for read in batch.readings:
        taken = ", ".join(
            ours if ours == theirs else f"{ours} from {theirs!r}" for ours, theirs in read.taken
        )
        console.print(f"{read.file}: {taken}" if taken else read.file, markup=False)
        if read.left:
            console.print(f"  left: {', '.join(read.left)}", markup=False)
        for remark in read.remarks:
            console.print(f"  - {remark}", markup=False)


def say_vectors(vectors: SourceVectors | None, batch: Batch, known: Collection[str]) -> None:
    """Width of the source's own vectors, and how many items have one; `known` are those of the warehouse."""
    if vectors is None:
        return
    told, *remarks = vectors.told(batch.items["item_id"].dropna().tolist() or known)
    console.print(told, markup=False)
    for remark in (*remarks, *vectors.reading.remarks):
        console.print(f"  - {remark}", markup=False)


def say_event_types(events: pd.DataFrame, event_weights: str) -> None:
    """Types with their counts, and their weights where any is said; silent of one type that nobody weighs."""
    from components.event_weights import UNSAID, read_event_weights, told_types

    weights = read_event_weights(event_weights)
    counts = events["event_type"].astype(object).value_counts().to_dict()  # of types that are there
    if not weights and len(counts) < 2:
        return
    alike = "" if weights else "; they weigh alike, unless you say otherwise: --event-weight, or recloop.yaml"
    console.print(f"event types: {told_types(counts, weights)}{alike}", markup=False)
    if unknown := [name for name in weights if name not in counts]:
        console.print(
            f"  - no event is of type {', '.join(map(repr, unknown))}, which has a weight", markup=False
        )
    if counts and not any(weights.get(name, UNSAID) for name in counts):
        console.print("  - all of them weigh 0: there would be nothing to train on", markup=False)


def say_first_rows(events: pd.DataFrame, items: pd.DataFrame) -> None:
    """The first events and items as they were understood, a line each."""
    for what, frame in (("first events", events), ("first items", items)):
        console.print(f"{what}:" if len(frame) else f"{what}: none")
        for row in frame.head(2).drop(columns=["source_row", "event_id"], errors="ignore").to_dict("records"):
            told = (f"{name} {_shown(value)}" for name, value in row.items() if not pd.isna(value))
            console.print(f"  {', '.join(told)}", markup=False)


def _shown(value: object) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def say_reasons(reasons: Mapping[str, int]) -> None:
    """Reason codes with their counts, a line each."""
    for reason, count in reasons.items():
        console.print(f"  {count:>6,}  {reason}")
