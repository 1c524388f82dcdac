"""Properties over made-up batches, by Hypothesis: any order of arrival and any repeat give one state."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from components.data.ingest import land_batch
from components.data.warehouse import Engine, open_warehouse
from tests.data.landing import batch, event, item
from tests.faults.fault import Fault, Outcome
from tests.faults.home import rows_of

EXAMPLES, EXAMPLES_SHORT = 500, 10
_texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=6)


@st.composite
def _told(draw: st.DrawFn) -> list[tuple[dict[str, object], ...]]:
    """Two to four batches that share events: an id always has the same payload, as of a source that does not err."""
    ids = draw(st.lists(_texts, min_size=1, max_size=8, unique=True))
    known = {
        name: event(
            name, user=draw(_texts), item=draw(st.sampled_from(["i1", "i2"])), hours=draw(st.integers(0, 99))
        )
        for name in ids
    }
    parts = draw(st.lists(st.lists(st.sampled_from(ids), min_size=1, unique=True), min_size=2, max_size=4))
    return [tuple(known[name] for name in part) for part in parts]


def faults(folder: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    folder.mkdir(parents=True)
    open_warehouse(f"sqlite:///{folder}/empty.db").dispose()
    examples = EXAMPLES_SHORT if short else EXAMPLES
    yield Fault(
        kind="inputs",
        name=f"batches in another order, each twice, all in one: {examples} examples",
        where="land_batch",
        holds="the same events, and after a repeat the same items",
        strike=partial(_strike, folder, examples, seed),
    )


def _strike(folder: Path, examples: int, by: int) -> Outcome:
    count = itertools.count()

    @seed(by)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(_told())
    def example(told: list[tuple[dict[str, object], ...]]) -> None:
        next(count)
        _check(folder, told)

    try:
        example()
    except AssertionError as error:
        return Outcome(fired=True, violations=(str(error)[:500],))
    return Outcome(fired=next(count) >= examples)


def _state(folder: Path, told: list[tuple[dict[str, object], ...]]) -> dict[str, list[str]]:
    """Events and items after these batches, without the numbers of the batches that brought them."""
    with tempfile.TemporaryDirectory(dir=folder) as home:
        shutil.copy(folder / "empty.db", f"{home}/warehouse.db")
        engine: Engine = open_warehouse(f"sqlite:///{home}/warehouse.db")
        for events in told:
            land_batch(engine, batch(*events, items=(item("i1", "One"), item("i2", "Two"))))
        engine.dispose()
        rows = rows_of(Path(home), without=("batch_id",))
    return {name: rows[name] for name in ("events", "items")}


def _check(folder: Path, told: list[tuple[dict[str, object], ...]]) -> None:
    once = _state(folder, told)
    named = {str(row["event_id"]): row for events in told for row in events}
    assert once["events"] == _state(folder, told[::-1])["events"], f"{told} and its reverse differ"
    assert once == _state(folder, [*told, *told]), f"{told} twice differs"
    assert once["events"] == _state(folder, [tuple(named.values())])["events"], f"{told} in one batch differ"
