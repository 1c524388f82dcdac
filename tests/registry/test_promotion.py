"""The champion moves in one way only, has one winner, and always finds its way back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mlflow import MlflowClient

from components.data.ledger import promotions
from components.data.warehouse import Engine, open_warehouse
from components.registry.drift import finish_interrupted, reconcile
from components.registry.promotion import (
    OUTSIDE,
    PromotionResult,
    apply_approvals,
    promote,
    rollback,
)
from components.registry.versions import NoSuchVersion, aliases, champion, require_champion
from tests.registry.conftest import tagged_version
from tests.registry.crashing import killed_at

pytestmark = pytest.mark.usefixtures("mlflow_here")


@pytest.fixture
def model(request: pytest.FixtureRequest, mlflow_here: str) -> str:
    """A model of this test's own."""
    return request.node.name.removeprefix("test_").replace("[", "-").replace("]", "").replace(":", "-")


def ask(engine: Engine, model: str, version: str, expected: str | None, **more: Any) -> PromotionResult:
    settings = {
        "verdict": "PROMOTE",
        "actor": "cycle",
        "reason": "better",
        "evidence": {"lead": 0.01},
        **more,
    }
    return promote(engine, model_name=model, version=version, expected_champion=expected, **settings)


def back(engine: Engine, model: str) -> PromotionResult:
    return rollback(engine, model_name=model, actor="operator", reason="complaints")


def moves(engine: Engine, model: str) -> list[tuple[str, str | None, str | None]]:
    return [(entry.action, entry.previous_version, entry.version) for entry in promotions(engine, model)]


def test_an_empty_registry_has_no_champion_and_says_how_one_comes_to_be(warehouse: Engine, model: str):
    assert champion(model) is None
    with pytest.raises(NoSuchVersion, match="no champion yet"):
        require_champion(model)
    assert not ask(warehouse, model, "1", None).moved
    assert not back(warehouse, model).moved
    assert moves(warehouse, model) == []


def test_the_first_champion(warehouse: Engine, model: str):
    tagged_version(model, tokenizer="t1")
    MlflowClient().set_registered_model_alias(model, "challenger", "1")
    result = ask(warehouse, model, "1", None)
    assert (result.moved, result.champion, result.previous, result.tokenizer) == (True, "1", None, "t1")
    assert aliases(model) == {"champion": "1"}
    (entry,) = promotions(warehouse, model)
    assert (entry.id, entry.verdict, entry.actor, entry.reason) == (
        result.ledger_id,
        "PROMOTE",
        "cycle",
        "better",
    )
    assert entry.evidence["lead"] == 0.01
    assert entry.evidence["tokenizer"] == "t1"


@pytest.mark.parametrize("verdict", ["HOLD", "REJECT", "INVALID"])
def test_no_verdict_but_promote_moves_the_champion(warehouse: Engine, model: str, verdict: str):
    tagged_version(model, verdict=verdict)
    result = ask(warehouse, model, "1", None, verdict=verdict)
    assert not result.moved
    assert verdict in result.reason
    assert aliases(model) == {}
    assert moves(warehouse, model) == []


def test_a_verdict_that_the_version_does_not_carry_is_refused(warehouse: Engine, model: str):
    tagged_version(model, verdict="HOLD")
    result = ask(warehouse, model, "1", None, verdict="PROMOTE")
    assert (result.moved, champion(model)) == (False, None)
    assert "tagged HOLD, not PROMOTE" in result.reason


def test_force_goes_against_the_verdict_and_the_ledger_says_so(warehouse: Engine, model: str):
    tagged_version(model, verdict="HOLD")
    assert ask(warehouse, model, "1", None, verdict="HOLD", force=True).moved
    (entry,) = promotions(warehouse, model)
    assert (entry.verdict, entry.evidence["forced"]) == ("HOLD", True)


def test_a_version_without_a_bundle_is_refused_even_with_force(warehouse: Engine, model: str):
    client = MlflowClient()
    client.create_registered_model(model)
    client.create_model_version(model, source="runs:/none/recommender")
    assert "not registered by recloop" in ask(warehouse, model, "1", None, force=True).reason
    assert champion(model) is None


def test_a_version_that_does_not_exist_is_refused(warehouse: Engine, model: str):
    tagged_version(model)
    assert "no version '9': there are 1" in ask(warehouse, model, "9", None).reason


def test_an_unexpected_champion_stays(warehouse: Engine, model: str):
    for _ in range(3):
        tagged_version(model)
    ask(warehouse, model, "1", None)
    ask(warehouse, model, "2", "1")
    result = ask(warehouse, model, "3", "1")
    assert (result.moved, result.champion, champion(model).version) == (False, "2", "2")
    assert "version 2, not version 1 as expected" in result.reason


def test_promoting_the_champion_again_writes_nothing(warehouse: Engine, model: str):
    tagged_version(model)
    ask(warehouse, model, "1", None)
    again = ask(warehouse, model, "1", None)
    assert (again.moved, again.champion, len(moves(warehouse, model))) == (False, "1", 1)


def test_of_many_promoters_with_one_expectation_one_wins(warehouse: Engine, model: str):
    contenders = [tagged_version(model).version for _ in range(5)]
    ask(warehouse, model, "1", None)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda version: ask(warehouse, model, version, "1"), contenders[1:]))
    (winner,) = [result for result in results if result.moved]
    assert champion(model).version == winner.champion
    assert {result.champion for result in results} == {winner.champion}
    assert moves(warehouse, model) == [("promote", None, "1"), ("promote", "1", winner.champion)]


def test_rollback_goes_back_one_champion_at_a_time_with_its_tokenizer(warehouse: Engine, model: str):
    for expected, tokenizer in ((None, "t1"), ("1", "t2"), ("2", "t3")):
        ask(warehouse, model, tagged_version(model, tokenizer=tokenizer).version, expected)
    first = back(warehouse, model)
    assert (first.moved, first.champion, first.previous, first.tokenizer) == (True, "2", "3", "t2")
    assert champion(model).version == "2"
    second = back(warehouse, model)
    assert (second.champion, second.tokenizer) == ("1", "t1")
    third = back(warehouse, model)
    assert (third.moved, third.champion) == (False, "1")
    assert "no earlier champion" in third.reason


def test_after_a_rollback_the_next_promotion_rolls_back_to_what_stood_before_it(
    warehouse: Engine, model: str
):
    for expected in (None, "1"):
        ask(warehouse, model, tagged_version(model).version, expected)
    back(warehouse, model)
    ask(warehouse, model, tagged_version(model).version, "1")
    assert back(warehouse, model).champion == "1"


def test_rollback_passes_over_a_version_that_was_deleted(warehouse: Engine, model: str):
    for expected in (None, "1", "2"):
        ask(warehouse, model, tagged_version(model).version, expected)
    MlflowClient().delete_model_version(model, "2")
    assert back(warehouse, model).champion == "1"


def test_deleting_the_champion_is_noticed_and_can_be_rolled_back(warehouse: Engine, model: str):
    """MLflow drops the alias in silence."""
    for expected in (None, "1"):
        ask(warehouse, model, tagged_version(model).version, expected)
    MlflowClient().delete_model_version(model, "2")
    assert "the ledger says version 2" in reconcile(warehouse, model, "adopt").reason
    assert back(warehouse, model).champion == "1"


def test_an_alias_moved_by_hand_is_noted_and_can_be_rolled_back(warehouse: Engine, model: str):
    ask(warehouse, model, tagged_version(model).version, None)
    tagged_version(model, verdict="REJECT")
    MlflowClient().set_registered_model_alias(model, "champion", "2")
    refused = ask(warehouse, model, tagged_version(model).version, "1")
    assert (refused.moved, refused.champion) == (False, "2")
    assert "reconcile --adopt" in refused.reason
    assert moves(warehouse, model) == [("promote", None, "1")]
    assert back(warehouse, model).champion == "1"
    noted = promotions(warehouse, model)[-2]
    assert (noted.actor, noted.previous_version, noted.version) == (OUTSIDE, "1", "2")
    assert len(moves(warehouse, model)) == 3


def test_an_alias_moved_back_by_hand_is_not_taken_for_an_interrupted_promotion(warehouse: Engine, model: str):
    for expected in (None, "1"):
        ask(warehouse, model, tagged_version(model).version, expected)
    MlflowClient().set_registered_model_alias(model, "champion", "1")
    found = reconcile(warehouse, model, "adopt")
    assert (found.moved, found.champion, champion(model).version) == (False, "1", "1")
    assert promotions(warehouse, model)[-1].actor == OUTSIDE


@pytest.mark.parametrize(
    "point", ["promote:after-ledger", "promotion:after-alias", "promotion:after-challenger"]
)
def test_a_promotion_that_was_killed_is_finished_by_the_next_call(
    warehouse_url: str, warehouse: Engine, model: str, point: str
):
    for _ in range(2):
        tagged_version(model)
    ask(warehouse, model, "1", None)
    MlflowClient().set_registered_model_alias(model, "challenger", "2")  # as registration leaves it
    warehouse.dispose()  # the child opens its own connections
    killed_at(point, lambda: ask(open_warehouse(warehouse_url), model, "2", "1"))
    again = ask(warehouse, model, "2", "1")
    assert (again.champion, champion(model).version) == ("2", "2")
    assert moves(warehouse, model) == [("promote", None, "1"), ("promote", "1", "2")]
    assert aliases(model) == {"champion": "2"}
    assert back(warehouse, model).champion == "1"


@pytest.mark.parametrize("point", ["rollback:after-ledger", "promotion:after-alias"])
def test_a_rollback_that_was_killed_is_finished_and_not_done_twice(
    warehouse_url: str, warehouse: Engine, model: str, point: str
):
    for expected in (None, "1", "2"):
        ask(warehouse, model, tagged_version(model).version, expected)
    warehouse.dispose()
    killed_at(point, lambda: back(open_warehouse(warehouse_url), model))
    finished = finish_interrupted(warehouse, model)
    assert (finished.state, finished.alias, champion(model).version) == ("agree", "2", "2")
    assert len(moves(warehouse, model)) == 4


def test_a_reviewers_approval_in_mlflow_is_acted_on_once(warehouse: Engine, model: str):
    for _ in range(2):
        tagged_version(model, verdict="HOLD")
    ask(warehouse, model, "1", None, force=True)
    assert apply_approvals(warehouse, model_name=model) is None
    MlflowClient().set_model_version_tag(model, "2", "validation_status", "approved")
    result = apply_approvals(warehouse, model_name=model)
    assert (result.moved, result.champion) == (True, "2")
    entry = promotions(warehouse, model)[-1]
    assert (entry.verdict, entry.actor, entry.evidence["approved"]) == ("HOLD", "reviewer", True)
    assert apply_approvals(warehouse, model_name=model) is None
    back(warehouse, model)
    assert apply_approvals(warehouse, model_name=model) is None
    assert champion(model).version == "1"


def test_an_approval_that_a_newer_champion_has_overtaken_is_not_acted_on(warehouse: Engine, model: str):
    tagged_version(model, verdict="HOLD")
    MlflowClient().set_model_version_tag(model, "1", "validation_status", "approved")
    ask(warehouse, model, tagged_version(model).version, None)
    assert apply_approvals(warehouse, model_name=model) is None
    assert champion(model).version == "2"
