"""What is said of bad rows: how many, why, the first of them, and what each reason asks for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping

import pandas as pd

from components.data.near_ids import nearest_ids

_LOOKED_UP = 200  # unknown ids for which a near one is looked for
_HINTS = {  # reason code → what a person can say or do, for the reason that most rows have
    "naive_timestamp": "If these times are of one zone, say which: --zone UTC, or a name such as Europe/Berlin.",
    "bad_timestamp": "Times are epoch seconds or ISO 8601 with a zone; say otherwise with --map time=<column>:ms (us, "
    "ns, date, or a format such as %d.%m.%Y).",
    "future_timestamp": "Pass a later --as-of if they have happened.",
    "bad_value": "A rating lies in 0 to 10, or as --value-range rating=0:100 says; numbers have a decimal point.",
    "bad_event_type": "Types are short words in lower case; name others under `types:` in recloop.yaml.",
    "duplicate_item": "If the first row of an item counts, say --map repeats=first.",
    "unknown_item": "Its events may only speak of items that are in the file of items, or known before.",
    "conflicting_payload": "Rows with one event id must say the same: leave the id out if it is none.",
}


def told_of_bad(
    kind: str, rows: pd.DataFrame, received: int, share: float, limit: float, known_items: Collection[str]
) -> str:
    """Of the bad rows of one kind (QUARANTINE_COLUMNS), in a few sentences."""
    counts = Counter(code for codes in rows["reasons"] for code in codes.split("|"))
    reasons = ", ".join(f"{code} {count:,}" for code, count in counts.most_common(3))
    first = rows.iloc[0]
    told = (
        f"{len(rows):,} of {received:,} {kind}s are bad ({share:.1%}, limit {limit:.1%}): {reasons}; first is row "
        f"{first['source_row']} ({first['reasons']}: {first['payload'][:300]})."
    )
    near = told_of_unknown(rows, known_items) if counts["unknown_item"] else ""
    hint = _HINTS.get(counts.most_common(1)[0][0], "")
    return " ".join(filter(None, (told, near, hint)))


def told_of_unknown(rows: pd.DataFrame, known_items: Collection[str]) -> str:
    """The unknown items that events speak of, with the nearest known ids; "" if there are none."""
    unknown = unknown_items(rows)
    if not unknown:
        return ""
    near = nearest_ids(list(unknown)[:_LOOKED_UP], known_items)
    pairs = ", ".join(f"{theirs!r} → {ours!r}" for theirs, ours in list(near.items())[:3])
    most = ", ".join(f"{item!r} ({count:,})" for item, count in list(unknown.items())[:3])
    if near:
        return f"{len(unknown):,} unknown items, such as {most}; the nearest known ids: {pairs}."
    return f"{len(unknown):,} unknown items, such as {most}; no known id is near."


def unknown_items(rows: pd.DataFrame) -> Mapping[str, int]:
    """Unknown item id → events that speak of it, the most spoken of first."""
    is_unknown = rows["reasons"].map(lambda codes: "unknown_item" in codes.split("|"))
    payloads = (json.loads(payload) for payload in rows.loc[is_unknown, "payload"])
    return dict(Counter(str(payload.get("item_id")) for payload in payloads).most_common())
