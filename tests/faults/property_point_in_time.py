"""What was known of a user at a moment: Feast's join, and twenty lines of plain Python that read the events.

Histories have equal times, events of the future of a cut, users without any, and cuts that were written in any order.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from components.features.sequences import training_spine, user_sequences
from components.features.store.offline import lay_out, write_user_sequences
from components.features.store.opening import OpenStore, apply_definitions, open_store
from components.features.store.retrieval import training_rows
from tests.faults.property import Property
from tests.features.rows import at, events, in_frame

_USERS, _SECONDS, _LONGEST = ("a", "b", "é 1", "01"), 12, 3


@dataclass(frozen=True, kw_only=True)
class _History:
    rows: list[tuple[str, str, float]]  # user, item, second
    cuts: list[int]  # seconds, as they are written
    asked: list[tuple[str, int]]  # user, second: the last microsecond before it is asked about


def properties(folder: Path) -> Iterator[Property]:
    store = open_store(folder / "feast")
    apply_definitions(store, feature_set="f" * 12)
    yield Property(
        name="point in time", where="training_rows",
        holds="each row knows what plain Python finds, and every row is there",
        examples=_histories(), check=partial(_check, store), at_once=10,
    )  # fmt: skip


@st.composite
def _histories(draw: st.DrawFn) -> _History:
    seconds = st.integers(0, _SECONDS)
    row = st.tuples(st.sampled_from(_USERS), st.sampled_from(["x", "y", "z"]), seconds.map(float))
    cuts = draw(st.lists(st.integers(1, _SECONDS), min_size=1, max_size=3, unique=True))
    asked = st.tuples(st.sampled_from([*_USERS, "nobody"]), st.integers(1, _SECONDS + 5))
    return _History(
        rows=draw(st.lists(row, min_size=1, max_size=14)), cuts=cuts,
        asked=draw(st.lists(asked, min_size=1, max_size=8)),
    )  # fmt: skip


def _check(store: OpenStore, histories: list[_History]) -> None:
    """In one store, each with users of its own: a cut's file holds the rows of every history that has the cut."""
    shutil.rmtree(store.home / "offline", ignore_errors=True)
    lay_out(store.home)
    for number, cut in dict.fromkeys((n % 2, cut) for n, h in enumerate(histories) for cut in h.cuts):
        rows = [
            (f"{n} {user}", item, second)
            for n, history in enumerate(histories)
            if n % 2 == number and cut in history.cuts
            for user, item, second in history.rows
        ]
        write_user_sequences(store.home, user_sequences(events(*rows), cutoff=at(cut), max_length=_LONGEST))
    asked = [(n, user, second) for n, history in enumerate(histories) for user, second in history.asked]
    spines = [
        training_spine(np.array([f"{n} {user}"], dtype=object), at(second)) for n, user, second in asked
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the engine's own, of its dependencies
        found = in_frame(training_rows(store, pd.concat(spines, ignore_index=True)))
    users = [f"{n} {user}" for n, user, _ in asked]
    assert found["user_id"].tolist() == users, f"{histories}: other rows, or their order"
    told = found[["item_ids", "times", "num_events"]].to_dict("records")
    for (n, user, second), ours in zip(asked, told, strict=True):
        theirs = _known(histories[n], user, second)
        assert ours == theirs, f"{user} at {second} knows {ours}, not {theirs}: {histories[n]}"


def _known(history: _History, user: str, second: int) -> dict[str, Any]:
    """By the newest cut that holds any event of the user and is no later than the moment."""
    for cut in sorted(history.cuts, reverse=True):
        own = [(when, item) for who, item, when in history.rows if who == user and when < cut]
        if cut <= second and own:
            last = sorted(own)[-_LONGEST:]  # equal times go by item
            return {
                "item_ids": [item for _, item in last], "times": [int(when) for when, _ in last],
                "num_events": len(own),
            }  # fmt: skip
    return {"item_ids": [], "times": [], "num_events": 0}
