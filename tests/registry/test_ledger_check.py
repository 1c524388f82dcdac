"""A ledger that was changed behind recloop moves no champion, until a person accepts it by name."""

from __future__ import annotations

import json

import pytest
from mlflow import MlflowClient
from sqlalchemy import text

from components.data.alpha import spend_alpha
from components.data.chain import HASH
from components.data.ledger import checked_ledger, last_promotion
from components.data.schema import promotions as table
from components.data.warehouse import Engine, writing
from components.registry.drift import drift_of_alias, finish_interrupted, reconcile
from components.registry.history import history
from components.registry.ledger_check import why_broken
from components.registry.promotion import promote, rollback
from components.registry.registered import ENTRY_TAG
from components.registry.versions import aliases, registered_model
from tests.data.test_chain import behind
from tests.registry.conftest import tagged_version

pytestmark = pytest.mark.usefixtures("mlflow_here")


@pytest.fixture
def model(request: pytest.FixtureRequest, mlflow_here: str, warehouse: Engine) -> str:
    """Three versions, of which the first two were champion."""
    name = request.node.name.removeprefix("test_").replace("[", "-").replace("]", "").replace(" ", "-")
    for _ in range(3):
        tagged_version(name)
    for version in ("1", "2"):
        assert _promote(warehouse, name, version).moved
    return name


def _promote(engine: Engine, model: str, version: str):
    return promote(
        engine, model_name=model, version=version, expected_champion=aliases(model).get("champion"),
        verdict="PROMOTE", actor="cycle", reason="better", evidence={},
    )  # fmt: skip


def _chained_anew(engine: Engine) -> str:
    """The whole chain computed again by whoever can read this code; the hash of the last entry."""
    from components.data import chain

    with writing(engine, "ledger") as connection:
        before = ""
        for row in list(connection.execute(table.select().order_by(table.c.id)).mappings()):
            digest = chain._hash(table, {**row, chain.PREVIOUS: before})
            values = {chain.PREVIOUS: before, chain.HASH: digest}
            connection.execute(table.update().where(table.c.id == row["id"]).values(values))
            before = digest
    return before


def _change(engine: Engine, how: str) -> None:
    if how == "a row":
        behind(engine, "UPDATE promotions SET actor = 'x' WHERE id = 1")
    elif how == "all anew":
        behind(engine, "UPDATE promotions SET version = '3' WHERE id = 2")
        behind(engine, f"UPDATE chain_heads SET entry_hash = '{_chained_anew(engine)}'")
    elif how == "all but the head anew":
        behind(engine, "UPDATE promotions SET version = '3' WHERE id = 2")
        _chained_anew(engine)
    else:
        behind(
            engine, "DELETE FROM promotions WHERE id = 2", "UPDATE sqlite_sequence SET seq = 1",
            "UPDATE chain_heads SET last = 1, entry_hash = (SELECT entry_hash FROM promotions WHERE id = 1)",
        )  # fmt: skip


SAID = {
    "a row": "entry 1 is not what was written",
    "all anew": "the ledger was written anew",
    "all but the head anew": "its last entry 2 lies as",
    "the tail": "entries were cut off",
}


@pytest.mark.parametrize("how", SAID)
def test_nothing_moves_on_a_ledger_that_was_changed(warehouse: Engine, model: str, how: str):
    _change(warehouse, how)
    before = aliases(model)
    for result in (
        _promote(warehouse, model, "3"),
        rollback(warehouse, model_name=model, actor="ada", reason="complaints"),
        reconcile(warehouse, model, "adopt", actor="ada"),
        reconcile(warehouse, model, "put-back", actor="ada"),
    ):
        assert not result.moved
        assert SAID[how] in result.reason
    assert drift_of_alias(warehouse, model).state == finish_interrupted(warehouse, model).state == "broken"
    assert aliases(model) == before
    assert len(history(warehouse, model)) == (1 if how == "the tail" else 2)


@pytest.mark.parametrize("how", SAID)
def test_a_person_accepts_it_and_the_loop_goes_on(warehouse: Engine, model: str, how: str):
    _change(warehouse, how)
    accepted = reconcile(warehouse, model, "accept-ledger", actor="ada")
    assert (accepted.champion, accepted.moved) == ("2", False)
    last = history(warehouse, model)[-1]
    assert (last.kind, last.who, last.version) == ("accepted", "ada", "2")
    assert SAID[how] in last.reason
    assert drift_of_alias(warehouse, model).state == "agree"
    assert _promote(warehouse, model, "3").moved
    assert rollback(warehouse, model_name=model, actor="ada", reason="complaints").champion == "2"
    assert checked_ledger(warehouse).accepted_by == last.entry


def test_the_model_carries_number_and_hash_of_the_entry_that_it_follows(warehouse: Engine, model: str):
    last = last_promotion(warehouse, model)
    assert last is not None
    found = registered_model(model)
    assert (found.entry, found.entry_hash) == (last.id, last.entry_hash)
    assert found.tags[ENTRY_TAG] == f"{last.id} {last.entry_hash}"


def test_a_number_alone_as_a_release_before_wrote_it_is_followed_and_completed(warehouse: Engine, model: str):
    MlflowClient().set_registered_model_tag(model, ENTRY_TAG, "2")
    assert why_broken(warehouse, registered_model(model)) == ""
    assert drift_of_alias(warehouse, model).state == "agree"
    assert _promote(warehouse, model, "3").moved
    assert registered_model(model).entry_hash


def test_a_whole_ledger_is_not_accepted_again(warehouse: Engine, model: str):
    before = len(history(warehouse, model))
    result = reconcile(warehouse, model, "accept-ledger", actor="ada")
    assert (result.ledger_id, len(history(warehouse, model))) == (None, before)
    assert result.reason.startswith("nothing to accept")


def test_what_was_accepted_is_said(warehouse: Engine, model: str):
    spend_alpha(warehouse, window="w", challenger="a", shares=(0.01,), profile="p")
    behind(warehouse, "UPDATE alpha_ledger SET profile = 'q'")
    assert (
        "accepted as they lie, and written down: alpha."
        in reconcile(warehouse, model, "accept-ledger").reason
    )
    _change(warehouse, "a row")
    said = reconcile(warehouse, model, "accept-ledger").reason
    assert (
        said == "accepted as they lie, and written down: promotions. Champion is version 2, as MLflow has it."
    )


def test_evidence_and_hash_stand_in_the_history(warehouse: Engine, model: str):
    with writing(warehouse, "ledger") as connection:
        kept = connection.execute(text("SELECT entry_hash, evidence FROM promotions ORDER BY id")).all()
    assert [row.entry_hash for row in history(warehouse, model)] == [digest for digest, _ in kept]
    assert all(len(digest) == 64 and json.loads(evidence) for digest, evidence in kept)
    assert HASH in table.c
