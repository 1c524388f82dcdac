"""Registration, promotion, rollback and reconciliation killed, on MLflow's own database file: no server runs.

MLflow's rows hold run ids and times of their own, so what is compared is what the loop reads of them: versions and
their verdicts, aliases, the ledger, and whether both agree.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from components.data.warehouse import Engine
from tests.faults.child import done, import_once, in_child
from tests.faults.fault import Outcome
from tests.faults.home import Stage, Work, changed_behind, warehouse_of

MODEL = "struck"
STORE = "mlflow.store.tracking.sqlalchemy_store"  # a module: the store that MLflow opens on a database file
_REGISTER = ("facts", "pending", "upload", "log", "model", "create", "alias")
_PROMOTE = ("promote:after-ledger", "promotion:after-alias", "promotion:after-challenger")
POINTS = (
    *(f"register:after-{step}" for step in _REGISTER),
    "register:after-card",
    "register:after-tag",
    *_PROMOTE,
    "rollback:after-ledger",
    "adopt:after-ledger",
    "promote:before-smoke",
)


def strikes(folder: Path) -> Iterator[tuple[str, str, Callable[[], Outcome]]]:
    """(call, point, strike)"""
    import_once("components.registry.registration", "tests.registry.test_promotion", STORE)
    calls: tuple[tuple[str, Work, Work, tuple[str, ...]], ...] = (
        ("register", _with_bundle, _register, POINTS[:7]),
        ("register again, another verdict", _registered, _register_better, POINTS[7:9]),
        ("promote", _two_versions, _promote, _PROMOTE),
        ("roll back", _promoted, _roll_back, ("rollback:after-ledger", "promotion:after-alias")),
        ("reconcile", _moved_by_hand, _adopt, ("adopt:after-ledger",)),
        ("promote, smoke test", _two_bundles, _promote_tested, ("promote:before-smoke",)),
    )
    for name, prepare, work, points in calls:
        stage = Stage(
            folder=folder / name.replace(" ", "-").replace(",", ""), prepare=partial(configured, prepare)
        )
        home = stage.set()
        undisturbed = done(partial(configured, work, home), last=partial(_seen, home))
        for point in points:
            yield name, point, partial(_strike, work, stage, point, undisturbed)


def _strike(work: Work, stage: Stage, point: str, undisturbed: Any) -> Outcome:
    home = stage.set()
    ended = in_child(partial(configured, work, home), environment={"CRASH_AT": point})
    if ended.signal != signal.SIGKILL:
        return Outcome(fired=False, violations=(ended.trace,) if ended.trace else ())
    again = in_child(partial(configured, work, home), last=partial(_seen, home))
    if again.error:
        return Outcome(fired=True, violations=(f"the same call again fails: {again.error}: {again.message}",))
    if again.result != undisturbed:
        return Outcome(fired=True, violations=(f"{again.result} in place of {undisturbed}",))
    return Outcome(fired=True)


def configured(work: Work, home: Path) -> None:
    from mlflow import MlflowClient

    from components.registry import tracking

    os.environ["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = "NullPool"
    uri = f"sqlite:///{home}/mlflow.db"
    if not (home / "mlflow.db").exists():
        MlflowClient(uri).create_experiment("recloop", artifact_location=str(home / "mlflow-artifacts"))
    tracking.configure(uri)
    work(home)


def _seen(home: Path) -> dict[str, Any]:
    return seen(warehouse_of(home))


def seen(engine: Engine, model: str = MODEL) -> dict[str, Any]:
    """Versions, aliases and ledger, as the loop reads them, and whether they agree."""
    from components.data.ledger import promotions
    from components.registry.drift import drift_of_alias
    from components.registry.versions import aliases, versions

    found = versions(model)
    tags = [
        {k: v for k, v in sorted(one.tags.items()) if k in ("recloop.bundle", "recloop.verdict")}
        for one in found
    ]
    entries = [[e.action, e.previous_version, e.version, e.verdict] for e in promotions(engine, model)]
    drift = drift_of_alias(engine, model).state if found else ""
    numbers = [one.version for one in found]
    assert not (changed := changed_behind(engine)), changed
    return {"versions": numbers, "tags": tags, "aliases": aliases(model), "ledger": entries, "drift": drift}


# --- what is done, and what has to be there before ------------------------------------------------------


def _with_bundle(home: Path) -> None:
    from tests.registry.conftest import make_bundle

    make_bundle(home / "artifacts")
    warehouse_of(home).dispose()


def _register(home: Path, verdict: str = "HOLD") -> None:
    from components.registry import tracking
    from tests.registry.conftest import make_bundle
    from tests.registry.test_registration import register

    run = tracking.open_run(experiment="recloop", cycle="c", name="cycle", tags={})
    register(make_bundle(home / "artifacts"), run, MODEL, verdict=verdict)


def _registered(home: Path) -> None:
    _with_bundle(home)
    _register(home)


def _register_better(home: Path) -> None:
    _register(home, "PROMOTE")


def _two_versions(home: Path) -> None:
    from mlflow import MlflowClient

    from tests.registry.conftest import tagged_version
    from tests.registry.test_promotion import ask

    engine = warehouse_of(home)
    for _ in range(2):
        tagged_version(MODEL)
    ask(engine, MODEL, "1", None)
    MlflowClient().set_registered_model_alias(MODEL, "challenger", "2")
    engine.dispose()


def _promote(home: Path) -> None:
    from tests.registry.test_promotion import ask

    ask(warehouse_of(home), MODEL, "2", "1")


def _promoted(home: Path) -> None:
    _two_versions(home)
    _promote(home)


def _roll_back(home: Path) -> None:
    """As an operator does: look first, finish what was begun, and take back what is champion still."""
    from components.data.ledger import promotions
    from components.registry.drift import finish_interrupted
    from tests.registry.test_promotion import back

    engine = warehouse_of(home)
    finish_interrupted(engine, MODEL)
    if promotions(engine, MODEL)[-1].action != "rollback":
        back(engine, MODEL)


def _moved_by_hand(home: Path) -> None:
    from mlflow import MlflowClient

    _two_versions(home)
    MlflowClient().set_registered_model_alias(MODEL, "champion", "2")


def _adopt(home: Path) -> None:
    from components.registry.drift import reconcile

    reconcile(warehouse_of(home), MODEL, "adopt")


def _two_bundles(home: Path) -> None:
    from components.registry import tracking
    from tests.registry.conftest import make_bundle
    from tests.registry.test_registration import register

    for seed in (1, 2):
        run = tracking.open_run(experiment="recloop", cycle=f"c{seed}", name="cycle", tags={})
        register(make_bundle(home / "artifacts", seed=seed), run, MODEL, verdict="PROMOTE")
    _promote_tested(home, "1", None)


def _promote_tested(home: Path, version: str = "2", expected: str | None = "1") -> None:
    from tests.registry import test_smoke_test as tests

    engine = warehouse_of(home)
    tests.ask(engine, MODEL, version, expected, home / "fetched", tests.serves)
    engine.dispose()
