"""Each row of the history says on whose word the champion moved."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow import MlflowClient

from components.data.warehouse import Engine
from components.registry.drift import reconcile
from components.registry.history import history
from components.registry.promotion import apply_approvals, promote, rollback
from tests.registry.conftest import tagged_version

MODEL = "told"


@pytest.mark.usefixtures("mlflow_here")
def test_every_way_of_moving_has_its_word(warehouse: Engine):
    for verdict in ("PROMOTE", "HOLD", "REJECT"):
        tagged_version(MODEL, verdict=verdict)

    def ask(version: str, expected: str | None, **more: Any) -> None:
        settings = {"verdict": "PROMOTE", "evidence": {"replay": "r1"}, **more}
        assert promote(
            warehouse,
            model_name=MODEL,
            version=version,
            expected_champion=expected,
            actor="cycle",
            reason="better",
            **settings,
        ).moved

    client = MlflowClient()
    ask("1", None)
    client.set_model_version_tag(MODEL, "2", "validation_status", "approved")
    assert apply_approvals(warehouse, model_name=MODEL).champion == "2"
    ask("3", "2", force=True, verdict="REJECT")
    rollback(warehouse, model_name=MODEL, actor="ada", reason="complaints")
    for mode in ("adopt", "put-back"):
        client.set_registered_model_alias(MODEL, "champion", "1" if mode == "adopt" else "3")
        reconcile(warehouse, MODEL, mode, actor="ada")

    rows = history(warehouse, MODEL)
    assert [(row.kind, row.previous, row.version, row.who) for row in rows] == [
        ("promoted", None, "1", "cycle"),
        ("approved", "1", "2", "reviewer"),
        ("forced", "2", "3", "cycle"),
        ("rolled back", "3", "2", "ada"),
        ("adopted", "2", "1", "ada"),
        ("put back", "3", "1", "ada"),
    ]
    assert (rows[0].replay, rows[0].bundle, rows[1].verdict) == ("r1", "b" * 64, "HOLD")
    assert history(warehouse, "unheard of") == []
