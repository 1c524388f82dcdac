"""A batch against its contracts: good rows typed, bad rows to quarantine with reasons, or the whole refused.

Items are checked first, since an event may only speak of an item that is known or arrives sound in the same
batch. Exact repeats of an event pass; the warehouse counts them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from components.data.batch import (
    EVENT_COLUMNS,
    ITEM_COLUMNS,
    QUARANTINE_COLUMNS,
    Batch,
    CheckedBatch,
    DataContractError,
)
from components.data.batch_digest import batch_digest
from components.data.contracts.subject import Subject
from components.data.contracts.telling import told_of_bad
from components.data.contracts.typed import typed_events, typed_items
from components.data.moments import from_micros, to_micros

Reasons = dict[int, tuple[str, ...]]  # position of a bad row -> its reason codes

_REQUIRED_OF_EVENTS = ("user_id", "item_id", "event_type", "timestamp")  # not null throughout
_REQUIRED_OF_ITEMS = ("item_id", "title")
_FIXES = {  # of a batch with too many bad rows, by their kind
    "event": "Fix the source, or pass a higher --max-bad-share: then they go to quarantine, and the rest lands.",
    "item": "Fix these items in the source, or pass a higher --max-bad-item-share: then they go to quarantine.",
}
_MAX_PAYLOAD_TEXT = 4096  # characters of one value kept in quarantine


@dataclass(frozen=True, kw_only=True)
class ContractConfig:
    """Limits on a batch as a whole, and the values that typed events may have."""

    min_events: int = 1
    min_items: int = 0  # a batch may speak of known items only
    max_bad_event_share: float = 0.05  # above it nothing lands
    max_bad_item_share: float = 0.05
    value_ranges: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: {"rating": (0.0, 10.0)}  # event type -> [low, high]; such events need a value
    )

    def __post_init__(self) -> None:
        if not (0 <= self.max_bad_event_share <= 1 and 0 <= self.max_bad_item_share <= 1):
            raise ValueError("max_bad_event_share and max_bad_item_share are shares: between 0 and 1")


class TooMuchBad(DataContractError):
    """The circuit breaker: too large a share of the batch is bad, so its source is not to be trusted."""

    def __init__(
        self, message: str, *, checked: CheckedBatch, shares: dict[str, float], limits: dict[str, float]
    ):
        super().__init__(message)
        self.checked = checked
        self.shares = shares  # kind (event | item) -> share of bad rows
        self.limits = limits


def check_batch(
    batch: Batch,
    *,
    as_of: datetime,
    known_items: Collection[str],
    gx_root: Path,
    config: ContractConfig,
    since: datetime | None = None,
    digest: str = "",
) -> CheckedBatch:
    """Sort the rows of a batch into good (typed, with event ids) and quarantined. `digest` is the batch's, if known.

    Holds: good + quarantined == received, for events and for items. A timestamp equal to `as_of` is not yet
    in the future. The batch tells of [since, as_of); an earlier event in it is late (see `knowledge`).
    Raises DataContractError if the batch cannot be checked as it is (columns, no rows, a column of nulls),
    TooMuchBad if too much of it is bad, and ValidationNotRun if Great Expectations could not judge it.
    """
    _refuse_misshapen(batch, config)
    checked = sort_rows(
        batch, as_of=as_of, known_items=known_items, gx_root=gx_root, config=config, since=since, limited=True,
        digest=digest,
    )  # fmt: skip
    _break_circuit(batch, checked, known_items, config)
    return checked


def sort_rows(
    batch: Batch,
    *,
    as_of: datetime,
    known_items: Collection[str],
    gx_root: Path,
    config: ContractConfig,
    since: datetime | None = None,
    limited: bool = False,
    called: str = "",
    digest: str = "",
) -> CheckedBatch:
    """`check_batch` without its limits on the batch as a whole: for rows that a person has picked.

    `called` names them in Data Docs, in place of the source and `as_of`; `limited` says there that limits apply.
    """
    as_of = from_micros(to_micros(as_of))
    digest, name = digest or batch_digest(batch), called or f"{batch.source} until {as_of:%Y-%m-%d %H:%M}Z"
    of_items = Subject(
        rows="items", batch=name, digest=digest, limit=config.max_bad_item_share if limited else 1.0
    )
    items, bad_items, items_page = _check_items(batch, as_of, gx_root, of_items)
    of_events = Subject(
        rows="events", batch=name, digest=digest, limit=config.max_bad_event_share if limited else 1.0,
        blocked=_blocked(len(bad_items), len(batch.items), of_items.limit),
    )  # fmt: skip
    known = {*known_items, *items["item_id"]}
    events, bad_events, events_page = _check_events(batch, as_of, known, gx_root, config, of_events)
    checked = CheckedBatch(
        source=batch.source,
        digest=digest,
        events=events,
        items=items,
        quarantined=pd.concat([bad_events, bad_items], ignore_index=True),
        data_docs=events_page or items_page,
        as_of=as_of,
        since=None if since is None else from_micros(to_micros(since)),
        event_key=batch.event_key,
    )
    assert len(events) + len(bad_events) == len(batch.events), "an event was lost"
    assert len(items) + len(bad_items) == len(batch.items), "an item was lost"
    return checked


def _refuse_misshapen(batch: Batch, config: ContractConfig) -> None:
    parts = (
        ("events", batch.events, EVENT_COLUMNS, _REQUIRED_OF_EVENTS, config.min_events),
        ("items", batch.items, ITEM_COLUMNS, _REQUIRED_OF_ITEMS, config.min_items),
    )
    if batch.events.empty and batch.items.empty:
        raise DataContractError(
            f"{batch.source}: the batch is empty: no event and no item. "
            "Check the path and the time span asked for (--since, --as-of)."
        )
    for what, frame, columns, required, least in parts:
        if lacking := [name for name in (*columns, "source_row") if name not in frame.columns]:
            raise DataContractError(
                f"{batch.source}: {what} have no column {lacking[0]!r}; found "
                f"{', '.join(map(repr, frame.columns))}. Fix the source that made this batch."
            )
        if len(frame) < least:
            raise DataContractError(
                f"{batch.source}: {len(frame):,} {what}, at least {least:,} expected. "
                "Check the path and the time span asked for (--since, --as-of)."
            )
        if empty := [name for name in required if len(frame) and frame[name].isna().all()]:
            raise DataContractError(
                f"{batch.source}: {empty[0]} is null in all {len(frame):,} {what}. "
                "Check that the column has the name and content that the source expects."
            )
    if strangers := [name for name in batch.event_key if name not in EVENT_COLUMNS]:
        raise DataContractError(
            f"{batch.source}: event_key names {strangers[0]!r}, which is no event column. "
            f"Choose from {', '.join(EVENT_COLUMNS)}."
        )


def _blocked(num_bad: int, num_rows: int, limit: float) -> str:
    """Why no event lands if too many of the batch's items are bad; "" if they are not."""
    share = num_bad / num_rows if num_rows else 0.0
    return f"so are {share:.1%} of its items (limit {limit:.1%}): nothing went on" if share > limit else ""


def _check_items(
    batch: Batch, as_of: datetime, gx_root: Path, subject: Subject
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    from components.data.contracts.expectations import item_suite
    from components.data.contracts.validation import validate

    received = batch.items.reset_index(drop=True)
    typed = typed_items(received)
    reasons: Reasons = {}
    page = ""
    if len(typed):
        suite = item_suite(as_of=as_of, num_rows=len(typed))
        found = validate(typed, suite, subject=subject, gx_root=gx_root, shown=("source_row",))
        reasons, page = found.reasons, found.page
    return _good(typed, reasons, ITEM_COLUMNS), _quarantine("item", received, reasons), page


def _check_events(
    batch: Batch,
    as_of: datetime,
    known_items: set[str],
    gx_root: Path,
    config: ContractConfig,
    subject: Subject,
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    from components.data.contracts.expectations import event_suite
    from components.data.contracts.validation import validate

    received = batch.events.reset_index(drop=True)
    typed = typed_events(received, source=batch.source, event_key=batch.event_key, known_items=known_items)
    reasons: Reasons = {}
    page = ""
    if len(typed):
        suite = event_suite(as_of=as_of, num_rows=len(typed), value_ranges=config.value_ranges)
        found = validate(typed, suite, subject=subject, gx_root=gx_root, shown=("source_row",))
        reasons, page = found.reasons, found.page
    return _good(typed, reasons, EVENT_COLUMNS), _quarantine("event", received, reasons), page


def _good(typed: pd.DataFrame, reasons: Reasons, columns: tuple[str, ...]) -> pd.DataFrame:
    told = typed[[*columns, "source_row"]]
    return told.drop(index=list(reasons)).reset_index(drop=True) if reasons else told


def _quarantine(kind: str, received: pd.DataFrame, reasons: Reasons) -> pd.DataFrame:
    rows = received.loc[list(reasons)]
    payloads = [
        json.dumps({str(name): _payload_value(value) for name, value in row.items() if name != "source_row"})
        for row in rows.astype(object).to_dict("records")
    ]
    return pd.DataFrame(
        {
            "kind": kind,
            "source_row": rows["source_row"].to_numpy(),
            "payload": payloads,
            "reasons": ["|".join(codes) for codes in reasons.values()],
        },
        columns=list(QUARANTINE_COLUMNS),
    )


def _payload_value(value: Any) -> str | int | float | bool | None:
    """As JSON can hold it; ASCII escapes keep NUL and lone surrogates out of the database."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, (bool, int)) or (isinstance(value, float) and abs(value) != float("inf")):
        return value
    text = str(value)
    if len(text) > _MAX_PAYLOAD_TEXT:
        return f"{text[:_MAX_PAYLOAD_TEXT]}… ({len(text):,} characters)"
    return text


def _break_circuit(
    batch: Batch, checked: CheckedBatch, known_items: Collection[str], config: ContractConfig
) -> None:
    """Items are judged first: their events are bad because they are."""
    limits = {"item": config.max_bad_item_share, "event": config.max_bad_event_share}
    received = {"item": len(batch.items), "event": len(batch.events)}
    bad = checked.quarantined["kind"].value_counts()
    shares = {kind: int(bad.get(kind, 0)) / total if total else 0.0 for kind, total in received.items()}
    for kind, share in shares.items():
        if share > limits[kind]:
            rows = checked.quarantined[checked.quarantined["kind"] == kind]
            known = {*known_items, *checked.items["item_id"]}
            told = told_of_bad(kind, rows, received[kind], share, limits[kind], known)
            others = int(bad.get("event", 0)) if kind == "item" else 0
            with_them = f" {others:,} events are bad too, most of them of these items." if others else ""
            raise TooMuchBad(
                f"{batch.source}: {told}{with_them} Nothing was landed. {_FIXES[kind]}",
                checked=checked,
                shares=shares,
                limits=limits,
            )
