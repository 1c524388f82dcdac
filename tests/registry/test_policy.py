"""What may move the champion under each policy, and who may approve it."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow import MlflowClient

from components.data.ledger import promotions
from components.data.warehouse import Engine
from components.registry.policy import AUTO, PromotionPolicy, objection
from components.registry.promotion import apply_approvals, promote
from components.registry.versions import RegisteredVersion
from tests.registry.conftest import tagged_version

APPROVE = PromotionPolicy(mode="approve")
TWO = PromotionPolicy(mode="approve", two_person=True)
APPROVED = {"validation_status": "approved"}


def of(verdict: str = "PROMOTE", **tags: str) -> RegisteredVersion:
    carried = {"recloop.bundle": "b" * 64, "recloop.verdict": verdict} | tags
    return RegisteredVersion(name="m", version="1", run_id="", source="", tags=carried)


def why_not(target: RegisteredVersion, policy: PromotionPolicy, **more: Any) -> str | None:
    settings = {"verdict": target.verdict, "approver": None, "force": False, **more}
    return objection(target, policy=policy, **settings)


BY_ADA = {"recloop.started_by": "ada"}


@pytest.mark.parametrize(
    ("target", "policy", "more", "complaint"),
    [
        (of(), AUTO, {}, None),
        (of("HOLD"), AUTO, {}, "Only PROMOTE"),
        (of("HOLD"), AUTO, {"approver": "ada"}, "Only PROMOTE"),  # asking is not yet approving a HOLD
        (of("HOLD", **APPROVED), AUTO, {}, None),
        (of(), APPROVE, {}, "a person decides"),
        (of(), APPROVE, {"force": True}, "a person decides"),
        (of(), APPROVE, {"approver": "ada"}, None),
        (of("HOLD", **APPROVED), APPROVE, {}, None),
        (of(**APPROVED, **BY_ADA), TWO, {}, "nobody's name stands"),
        (of(**APPROVED, **BY_ADA, approved_by="bob"), TWO, {}, None),
        (of(**APPROVED, **BY_ADA, approved_by=" Ada "), TWO, {}, "started the run"),
        (of(**APPROVED, approved_by="bob"), TWO, {}, "recloop.started_by"),
        (of(**BY_ADA), TWO, {"approver": "ada", "force": True}, "started the run"),
        (of(**BY_ADA), TWO, {"approver": "bob"}, None),
    ],
)
def test_who_may_move_what(
    target: RegisteredVersion, policy: PromotionPolicy, more: dict[str, Any], complaint: str | None
):
    found = why_not(target, policy, **more)
    assert (found is None) == (complaint is None)
    assert complaint is None or complaint in str(found)


def test_two_persons_need_a_policy_that_asks_one():
    with pytest.raises(ValueError, match="RECLOOP_PROMOTION_POLICY=approve"):
        PromotionPolicy(two_person=True)


@pytest.mark.usefixtures("mlflow_here")
def test_under_approve_a_promote_waits_for_its_reviewer(warehouse: Engine):
    tagged_version("waits")
    refused = promote(
        warehouse,
        model_name="waits",
        version="1",
        expected_champion=None,
        verdict="PROMOTE",
        actor="cycle",
        reason="better",
        evidence={},
        policy=APPROVE,
    )
    assert (refused.moved, refused.champion) == (False, None)
    assert "a person decides" in refused.reason
    MlflowClient().set_model_version_tag("waits", "1", "approved_by", "grace")
    assert apply_approvals(warehouse, model_name="waits", policy=APPROVE) is None
    MlflowClient().set_model_version_tag("waits", "1", "validation_status", "approved")
    assert apply_approvals(warehouse, model_name="waits", policy=APPROVE).champion == "1"
    (entry,) = promotions(warehouse, "waits")
    assert (entry.actor, entry.evidence["policy"], entry.evidence["approver"]) == (
        "grace",
        "approve",
        "grace",
    )


@pytest.mark.usefixtures("mlflow_here")
def test_where_the_newest_may_not_the_one_before_it_is_asked(warehouse: Engine):
    for starter in ("ada", "bob"):
        version = tagged_version("older", **{"recloop.started_by": starter}).version
        for key, value in (("validation_status", "approved"), ("approved_by", "bob")):
            MlflowClient().set_model_version_tag("older", version, key, value)
    assert apply_approvals(warehouse, model_name="older", policy=TWO).champion == "1"
    told = apply_approvals(warehouse, model_name="older", policy=TWO)
    assert (told.moved, told.champion) == (False, "1")
    assert "bob started the run" in told.reason
