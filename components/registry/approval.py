"""Approvals of a model's versions, and which of them wait to be acted on, as values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from components.registry.registered import CHAMPION, RegisteredModel, RegisteredVersion

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


def approvals_of(model: RegisteredModel, were: Collection[str | None]) -> list[Approval]:
    """All approvals of a model, oldest version first; `were` are the versions that the ledger made champion."""
    champion = int(model.aliases.get(CHAMPION) or 0)

    def state(version: RegisteredVersion) -> Literal["pending", "acted-on", "overtaken"]:
        if version.version in were:
            return "acted-on"
        return "pending" if int(version.version) > champion else "overtaken"

    return [Approval(version=one, state=state(one)) for one in model.versions if one.is_approved]
