"""Approvals that reviewers gave in MLflow's UI: who gave them, and which still wait to be acted on.

The ledger is the truth of what was acted on: a version that ever was champion is done, whoever restarts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from components.data.ledger import promotions
from components.registry.tracking import reaching_tracking
from components.registry.versions import CHAMPION, RegisteredVersion, aliases, approved_versions

if TYPE_CHECKING:
    from components.data.warehouse import Engine

REVIEWER = "reviewer"  # who approved, where no name was written beside the approval


@dataclass(frozen=True, kw_only=True)
class Approval:
    """One version with `validation_status: approved`.

    `pending`: waits to be acted on; `acted-on`: the version was champion since, or is; `overtaken`: a newer
    version is champion, so the approval does not come back by itself (`recloop promote` names it again).
    """

    version: RegisteredVersion
    state: Literal["pending", "acted-on", "overtaken"]

    @property
    def approver(self) -> str:
        """The name in the tag `approved_by`, else "reviewer"."""
        return self.version.approver or REVIEWER


@reaching_tracking()
def approvals(engine: Engine, model_name: str) -> list[Approval]:
    """All approvals of a model, oldest version first; reads only."""
    champion = int(aliases(model_name).get(CHAMPION) or 0)
    were = {entry.version for entry in promotions(engine, model_name)}

    def state(version: RegisteredVersion) -> Literal["pending", "acted-on", "overtaken"]:
        if version.version in were:
            return "acted-on"
        return "pending" if int(version.version) > champion else "overtaken"

    return [Approval(version=version, state=state(version)) for version in approved_versions(model_name)]


def pending_approvals(engine: Engine, model_name: str) -> list[Approval]:
    """Approvals that wait to be acted on, newest version first."""
    return [found for found in reversed(approvals(engine, model_name)) if found.state == "pending"]
