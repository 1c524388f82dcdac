"""An alias that somebody moved by hand is noticed, and accepted or put back by a person's word only."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient

from components.data.ledger import promotions
from components.data.warehouse import Engine, open_warehouse
from components.registry.drift import drift_of_alias, finish_interrupted, reconcile
from components.registry.promotion import promote, rollback
from components.registry.versions import aliases
from tests.registry.conftest import tagged_version
from tests.registry.crashing import killed_at

pytestmark = pytest.mark.usefixtures("mlflow_here")


@pytest.fixture
def moved(warehouse: Engine, request: pytest.FixtureRequest) -> str:
    """A model whose champion is 2 by the ledger, and 3 by somebody's hand."""
    model = request.node.name.replace("[", "-").replace("]", "").replace(":", "-")
    for expected in (None, "1"):
        ask(warehouse, model, tagged_version(model).version, expected)
    tagged_version(model)
    MlflowClient().set_registered_model_alias(model, "champion", "3")
    return model


def ask(engine: Engine, model: str, version: str, expected: str | None) -> None:
    done = promote(
        engine,
        model_name=model,
        version=version,
        expected_champion=expected,
        verdict="PROMOTE",
        actor="cycle",
        reason="better",
        evidence={},
    )
    assert done.moved


def test_it_is_told_and_nothing_is_written(warehouse: Engine, moved: str):
    before = promotions(warehouse, moved), MlflowClient().get_registered_model(moved).tags
    drift = drift_of_alias(warehouse, moved)
    assert (drift.state, drift.alias, drift.ledger) == ("moved", "3", "2")
    assert reconcile(warehouse, moved).reason == drift.reason
    assert finish_interrupted(warehouse, moved) == drift
    assert (promotions(warehouse, moved), MlflowClient().get_registered_model(moved).tags) == before
    assert aliases(moved)["champion"] == "3"


def test_adopted_it_is_the_ledgers_newest_entry(warehouse: Engine, moved: str):
    MlflowClient().set_registered_model_alias(moved, "challenger", "3")
    result = reconcile(warehouse, moved, "adopt", actor="ada")
    assert (result.moved, result.champion, result.previous) == (False, "3", "2")
    entry = promotions(warehouse, moved)[-1]
    assert (entry.actor, entry.version, entry.previous_version) == ("ada", "3", "2")
    assert aliases(moved) == {"champion": "3"}  # what is champion is no longer challenger
    assert drift_of_alias(warehouse, moved).state == "agree"
    assert reconcile(warehouse, moved, "adopt").ledger_id is None
    assert rollback(warehouse, model_name=moved, actor="ada", reason="after all").champion == "2"


def test_put_back_the_alias_follows_the_ledger_again(warehouse: Engine, moved: str):
    result = reconcile(warehouse, moved, "put-back", actor="ada")
    assert (result.moved, result.champion, result.previous) == (True, "2", "3")
    assert aliases(moved)["champion"] == "2"
    entry = promotions(warehouse, moved)[-1]
    assert (entry.action, entry.actor, entry.evidence["put_back"]) == ("rollback", "ada", True)
    assert reconcile(warehouse, moved, "put-back").ledger_id is None
    assert rollback(warehouse, model_name=moved, actor="ada", reason="further").champion == "1"


def test_a_first_champion_set_by_hand_is_put_back_to_none(warehouse: Engine):
    tagged_version("by-hand-first")
    MlflowClient().set_registered_model_alias("by-hand-first", "champion", "1")
    assert reconcile(warehouse, "by-hand-first", "put-back").champion is None
    assert aliases("by-hand-first") == {}
    assert drift_of_alias(warehouse, "by-hand-first").state == "agree"


def test_a_champion_that_was_deleted_cannot_be_put_back(warehouse: Engine, moved: str):
    MlflowClient().delete_model_version(moved, "2")
    result = reconcile(warehouse, moved, "put-back")
    assert (result.moved, result.champion) == (False, "3")
    assert "exists no more" in result.reason
    assert aliases(moved)["champion"] == "3"


@pytest.mark.parametrize(
    ("mode", "point"),
    [
        ("adopt", "adopt:after-ledger"),
        ("put-back", "rollback:after-ledger"),
        ("put-back", "promotion:after-alias"),
    ],
)
def test_killed_on_its_way_it_is_finished_once(
    warehouse_url: str, warehouse: Engine, moved: str, mode: str, point: str
):
    warehouse.dispose()
    killed_at(point, lambda: reconcile(open_warehouse(warehouse_url), moved, mode))
    reconcile(warehouse, moved, mode)
    drift = drift_of_alias(warehouse, moved)
    assert (drift.state, drift.alias) == ("agree", "3" if mode == "adopt" else "2")
    assert len(promotions(warehouse, moved)) == 3


def test_a_registry_made_anew_is_not_taken_for_an_interrupted_first_promotion(warehouse: Engine):
    """Entry 1 made version 1 champion; the model is deleted and another bundle is version 1 now."""
    ask(warehouse, "anew", tagged_version("anew").version, None)
    MlflowClient().delete_registered_model("anew")
    tagged_version("anew", **{"recloop.bundle": "d" * 64})
    assert finish_interrupted(warehouse, "anew").state == "moved"
    assert aliases("anew") == {}
