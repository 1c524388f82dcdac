"""A champion that does not serve is taken back by itself, whenever the process died."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from components.copies import CopiesUnreachable
from components.data.ledger import promotions
from components.data.warehouse import Engine, open_warehouse
from components.registry.bundle import open_bundle
from components.registry.drift import drift_of_alias
from components.registry.promotion import PromotionResult, apply_approvals, promote, rollback
from components.registry.registered import TrackingRefused, TrackingUnreachable
from components.registry.registration import register_bundle
from components.registry.smoke_test import SMOKE_ACTOR, SmokeTest
from components.registry.tracking import TrackingRun
from components.registry.versions import aliases, get_version
from components.serving.scorer import load_scorer
from tests.registry.conftest import make_bundle
from tests.registry.crashing import killed_at

ROLLBACK_SECONDS = 30.0


@pytest.fixture
def model(request: pytest.FixtureRequest, tmp_path: Path, run: TrackingRun) -> str:
    """A model with two registered bundles."""
    name = request.node.name.replace("[", "-").replace("]", "").replace(":", "-")
    for seed in (hash(name) % 10_000, hash(name) % 10_000 + 10_000):
        register_bundle(
            make_bundle(tmp_path, seed=seed), run=run, model_name=name, verdict="PROMOTE", metrics={}, tags={}
        )
    return name


def serves(path: Path) -> None:
    assert load_scorer(path).bundle.digest == open_bundle(path).digest


def does_not_serve(path: Path) -> None:
    raise RuntimeError(f"no list from {open_bundle(path).facts.arm}")


def ask(
    engine: Engine, model: str, version: str, expected: str | None, root: Path, check: Any
) -> PromotionResult:
    return promote(
        engine,
        model_name=model,
        version=version,
        expected_champion=expected,
        verdict="PROMOTE",
        actor="cycle",
        reason="better",
        evidence={},
        smoke=SmokeTest(artifacts=root, check=check),
    )


def test_one_that_serves_stays(warehouse: Engine, model: str, tmp_path: Path):
    assert ask(warehouse, model, "1", None, tmp_path / "a", serves).moved
    assert get_version(model, "1").tags["recloop.smoke_test"] == "passed for entry 1"
    assert rollback(warehouse, model_name=model, actor="a", reason="b").moved is False


def test_one_that_does_not_serve_is_taken_back(warehouse: Engine, model: str, tmp_path: Path):
    ask(warehouse, model, "1", None, tmp_path / "a", serves)
    began = time.monotonic()
    result = ask(warehouse, model, "2", "1", tmp_path / "a", does_not_serve)
    assert time.monotonic() - began < ROLLBACK_SECONDS
    assert (result.moved, result.champion) == (False, "1")
    assert "RuntimeError: no list from popularity" in result.reason
    assert aliases(model)["champion"] == "1"
    last = promotions(warehouse, model)[-1]
    assert (last.action, last.actor, last.version, last.previous_version) == (
        "rollback",
        SMOKE_ACTOR,
        "1",
        "2",
    )
    assert get_version(model, "2").tags["recloop.smoke_test"].startswith("failed for entry 2")


def test_a_first_champion_that_does_not_serve_leaves_none(warehouse: Engine, model: str, tmp_path: Path):
    result = ask(warehouse, model, "1", None, tmp_path / "a", does_not_serve)
    assert (result.moved, result.champion, aliases(model).get("champion")) == (False, None, None)
    assert drift_of_alias(warehouse, model).state == "agree"
    assert not rollback(warehouse, model_name=model, actor="a", reason="b").moved  # not back to what failed
    assert ask(warehouse, model, "2", None, tmp_path / "a", serves).champion == "2"


@pytest.mark.parametrize("point", ["promotion:after-alias", "promote:before-smoke", "smoke:after-tag"])
def test_a_test_that_the_process_did_not_come_to_is_made_up_for(
    warehouse_url: str, warehouse: Engine, model: str, tmp_path: Path, point: str
):
    ask(warehouse, model, "1", None, tmp_path / "a", serves)
    warehouse.dispose()
    killed_at(
        point,
        lambda: ask(open_warehouse(warehouse_url), model, "2", "1", tmp_path / "a", does_not_serve),
    )
    assert aliases(model)["champion"] == "2"
    assert ask(warehouse, model, "2", "1", tmp_path / "a", does_not_serve).champion == "1"
    assert [entry.version for entry in promotions(warehouse, model)] == ["1", "2", "1"]


def test_an_approval_is_tested_too_also_after_a_kill(
    warehouse_url: str, warehouse: Engine, model: str, tmp_path: Path
):
    ask(warehouse, model, "1", None, tmp_path / "a", serves)
    MlflowClient().set_model_version_tag(model, "2", "validation_status", "approved")
    smoke = SmokeTest(artifacts=tmp_path / "a", check=does_not_serve)
    warehouse.dispose()
    killed_at(
        "promote:before-smoke",
        lambda: apply_approvals(open_warehouse(warehouse_url), model_name=model, smoke=smoke),
    )
    assert apply_approvals(warehouse, model_name=model, smoke=smoke).champion == "1"
    assert apply_approvals(warehouse, model_name=model, smoke=smoke) is None
    assert len(promotions(warehouse, model)) == 3


@pytest.mark.parametrize("trouble", [TrackingUnreachable, TrackingRefused, CopiesUnreachable])
def test_an_outage_in_the_test_takes_nothing_back(
    warehouse: Engine, model: str, tmp_path: Path, trouble: type[Exception]
):
    """Nothing is known of the version then: neither MLflow nor the object store speaks of it."""

    def unreachable(path: Path) -> None:
        raise trouble("away")

    with pytest.raises(trouble):
        ask(warehouse, model, "1", None, tmp_path / "a", unreachable)
    assert aliases(model)["champion"] == "1"
    assert ask(warehouse, model, "1", None, tmp_path / "a", serves).champion == "1"
    assert "passed" in get_version(model, "1").tags["recloop.smoke_test"]
