"""Approvals that reviewers gave in MLflow's UI: who gave them, and which still wait to be acted on.

The ledger is the truth of what was acted on: a version that ever was champion is done, whoever restarts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.data.ledger import promotions
from components.registry.approval import Approval, approvals_of
from components.registry.tracking import reaching_tracking
from components.registry.versions import registered_model

if TYPE_CHECKING:
    from components.data.warehouse import Engine


@reaching_tracking()
def approvals(engine: Engine, model_name: str) -> list[Approval]:
    """All approvals of a model, oldest version first; reads only."""
    return approvals_of(
        registered_model(model_name), {entry.version for entry in promotions(engine, model_name)}
    )


def pending_approvals(engine: Engine, model_name: str) -> list[Approval]:
    """Approvals that wait to be acted on, newest version first."""
    return [found for found in reversed(approvals(engine, model_name)) if found.state == "pending"]
