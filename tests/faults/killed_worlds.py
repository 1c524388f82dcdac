"""What is killed: small work through the functions that the flows call, with the tests' own homes."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from components.artifact import publish
from components.data import journal
from components.data.ingest import land_batch
from components.data.pruning import plan_pruning, prune
from components.data.recommendations import publish_run, write_lists
from components.data.snapshot import take_snapshot
from tests.data.landing import at, bad, batch, event, item
from tests.data.test_pruning import Gave, make
from tests.data.test_recommendations import lists, run_of
from tests.faults.home import warehouse_of

NOW = datetime(2024, 1, 9, tzinfo=UTC)
WITH_STORE = {"RECLOOP_ARTIFACTS_URL": "file://{home}/store", "RECLOOP_ARTIFACTS": "{home}/artifacts"}
PLACES = (
    "events", "quarantine", "recommendations", "snapshot", "recommendations in parquet", "checked_batch",
    "logged", "feature_set", "training_set", "report", "replay", "pages",
)  # fmt: skip


def opened(home: Path) -> None:
    warehouse_of(home).dispose()


def land(home: Path) -> None:
    rows = [event(f"e{n}", user=f"u{n % 7}", item=f"i{n % 5}", hours=n / 4) for n in range(180)]
    told = tuple(item(f"i{n}", f"Item {n}") for n in range(5))
    land_batch(warehouse_of(home), batch(*rows, items=told, quarantined=(bad("x"),)), now=lambda: NOW)


def landed(home: Path) -> None:
    """45 days, one event on each."""
    rows = [event(f"e{n}", user=f"u{n % 7}", item=f"i{n % 5}", hours=24 * n) for n in range(45)]
    engine = warehouse_of(home)
    land_batch(engine, batch(*rows, items=(item("i1", "One"),)), now=lambda: NOW)
    engine.dispose()


def snapshot(home: Path) -> None:
    engine = warehouse_of(home)
    take_snapshot(engine, home / "artifacts", end=at(24 * 45), now=lambda: NOW)
    engine.dispose()


def published(home: Path) -> None:
    """A folder of 45 files."""

    def write(folder: Path) -> None:
        for n in range(45):
            (folder / f"{n:02d}.txt").write_text(f"file {n}\n" * 100)

    publish(home / "artifacts", "arm", write, parents={}, config={"seed": 1})


def journalled(home: Path) -> None:
    engine = warehouse_of(home)
    ref = publish(
        home / "artifacts",
        "lists",
        lambda at: (at / "one.txt").write_text("1") and None,
        parents={},
        config={},
    )
    journal.record(engine, key="k", stage="s", output=Gave(ref=ref), seconds=0, peak_mb=0, run="r")


def listed(home: Path) -> None:
    engine = warehouse_of(home)
    write_lists(engine, run_of("3"), lists("u0", "u1", "u2"))
    publish_run(engine, "run-3", now=lambda: NOW)


def cluttered(home: Path) -> None:
    """Two old artifacts that nothing points to, here and in the store, and a run that was never served."""
    os.environ |= {name: value.format(home=home) for name, value in WITH_STORE.items()}
    (home / "store").mkdir()
    engine = warehouse_of(home)
    for name in "ab":
        ref = make(home / "artifacts", "lists", name)
        journal.record(
            engine, key=name, stage=name, output=Gave(ref=ref), seconds=0, peak_mb=0, run="r",
            now=lambda: datetime.now(UTC) - timedelta(days=60),
        )  # fmt: skip
    for version in "12":
        write_lists(engine, run_of(version), lists("u0"), now=lambda: datetime.now(UTC) - timedelta(days=60))
    engine.dispose()


def pruned(home: Path) -> None:
    engine = warehouse_of(home)
    plan = plan_pruning(engine, home / "artifacts", keep=set(), older_than=timedelta(days=30))
    prune(engine, plan)


def laid_out(home: Path) -> None:
    from components.features.sequences import user_sequences
    from components.features.store.offline import lay_out, write_user_sequences
    from tests.features.rows import at as second
    from tests.features.store.test_offline import EARLY

    lay_out(home)
    write_user_sequences(home, user_sequences(EARLY, cutoff=second(5)))


def sequences(home: Path) -> None:
    from components.features.sequences import user_sequences
    from components.features.store.offline import write_user_sequences
    from tests.features.rows import at as second
    from tests.features.store.test_offline import LATE

    write_user_sequences(home, user_sequences(LATE, cutoff=second(5), known_at=second(7)))


def quarantined(home: Path) -> None:
    from components.data.contracts.batch_check import check_batch
    from tests.data.test_quarantine import LIMITS, raw, received

    rows = received(raw(), raw(user=None, hours=2))
    checked = check_batch(rows, as_of=at(10), known_items=set(), gx_root=home / "gx", config=LIMITS)
    engine = warehouse_of(home)
    land_batch(engine, checked, now=lambda: NOW)
    engine.dispose()


def released(home: Path) -> None:
    from components.data.quarantine_release import release_quarantined

    release_quarantined(warehouse_of(home), [1], repaired={1: {"user_id": "u9"}}, gx_root=home / "gx")


def lived_in(home: Path) -> None:
    """The home that the tests of erasure build: features, lists, reports and quarantine hold one user."""
    from tests.data.test_erasure import build

    build(home).dispose()
    shutil.rmtree(home / "gx")


def erased(home: Path) -> None:
    from components.data.erasure import erase_user
    from tests.data.erasing import USER, places_but_feast

    engine = warehouse_of(home)
    erase_user(engine, USER, places_but_feast(home, engine, USER))


def entered(home: Path) -> None:
    """A promotion is written down, once: who comes again finds it there."""
    from components.data.ledger import append_promotion, last_promotion

    engine = warehouse_of(home)
    if last_promotion(engine, "m") is None:
        append_promotion(
            engine, action="promote", model="m", version="1", previous_version=None, expected_version=None,
            verdict="PROMOTE", actor="a", reason="r", evidence={"lead": "x" * 60_000}, now=lambda: NOW,
        )  # fmt: skip
    engine.dispose()


def refused_rows(home: Path) -> None:
    rows = [bad("x", payload='{"user_id": "u", "value": "' + "9" * 2_000 + '"}', row=n) for n in range(150)]
    engine = warehouse_of(home)
    land_batch(engine, batch(event("e"), quarantined=tuple(rows)), now=lambda: NOW)
    engine.dispose()
    (home / "out").mkdir()


def exported(home: Path) -> None:
    from components.data.quarantine import export_quarantine, list_quarantine

    engine = warehouse_of(home)
    export_quarantine(list_quarantine(engine), home / "out" / "rows.csv")
    engine.dispose()


def checked(home: Path) -> None:
    """What the stage that validates publishes."""
    from components.data.batch import write_checked

    rows = [event(f"e{n}", hours=n / 4) for n in range(5_000)]
    told = batch(*rows, items=(item("i1"),), quarantined=(bad("x"),))
    publish(
        home / "artifacts", "checked_batch", lambda folder: write_checked(told, folder), parents={}, config={}
    )
