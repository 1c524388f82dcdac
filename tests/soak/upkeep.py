"""What is done to the home between cycles: pruning, erasure, rollback, and a look at what is there."""

from __future__ import annotations

from datetime import timedelta

from components.data import lease, ledger
from components.data.erasure import erase_user, plan_erasure
from components.data.ingest import land_batch
from components.data.pruning import plan_pruning, prune
from components.registry import promotion, versions
from components.registry.drift import finish_interrupted
from flows.settings import load_settings
from flows.warehouse import RETRAINING, warehouse
from tests.data.erasing import places_but_feast
from tests.soak.cycle import MODEL
from tests.soak.source import Day


def swept(older_than: timedelta) -> None:
    """What `recloop prune` does, with a retention in cycles: on this clock a day is as long as a cycle takes."""
    engine, root = warehouse(), load_settings().artifacts
    with lease.hold_lease(engine, RETRAINING, owner=lease.this_process()):
        keep = {v.bundle_digest for v in versions.versions(MODEL) if v.bundle_digest}
        prune(engine, plan_pruning(engine, root, keep=keep, older_than=older_than))


def waiting() -> dict[str, int]:
    """What nothing keeps and only its age has spared so far."""
    engine, root = warehouse(), load_settings().artifacts
    keep = {v.bundle_digest for v in versions.versions(MODEL) if v.bundle_digest}
    plan = plan_pruning(engine, root, keep=keep, older_than=timedelta(0))
    return {"entries": len(plan.prunable), "bytes": plan.size, "kept": plan.num_kept}


def erased(user: str) -> None:
    engine, home = warehouse(), load_settings().home
    with lease.hold_lease(engine, RETRAINING, owner=lease.this_process()):
        erase_user(engine, user, places_but_feast(home, engine, user))


def left_of(user: str) -> int:
    """Rows and entries of an erased user, by what erasure itself counts."""
    engine = warehouse()
    return sum(entry.count for entry in plan_erasure(places_but_feast(load_settings().home, engine, user)))


def rolled_back(entries_before: int) -> None:
    """As an operator does: finish what was begun, and go back if that was not it."""
    engine = warehouse()
    finish_interrupted(engine, MODEL)
    if len(ledger.promotions(engine, MODEL)) == entries_before:
        promotion.rollback(engine, model_name=MODEL, actor="soak", reason="drill")


def hold_and_die() -> None:
    """Take the lease, and never give it back."""
    import os
    import signal

    with lease.hold_lease(warehouse(), RETRAINING, owner=lease.this_process()):
        os.kill(os.getpid(), signal.SIGKILL)


def landed_again(day: Day) -> dict[str, int]:
    """A day's rows in another order, as a batch of its own; those of erased users are refused."""
    result = land_batch(warehouse(), day.checked(reordered=True))
    return {"received": result.received, "duplicates": result.duplicates, "refused": result.quarantined}
