"""What a registry holds of one model, as values. Imports no MLflow, so that whoever only looks need not load it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CHAMPION, CHALLENGER = "champion", "challenger"
BUNDLE_TAG, VERDICT_TAG = "recloop.bundle", "recloop.verdict"
APPROVAL_TAG, APPROVED = "validation_status", "approved"
APPROVER_TAG = "approved_by"  # a reviewer writes it; MLflow keeps no author of a tag
STARTER_TAG = "recloop.started_by"
JUDGED_TAG = "recloop.filter_seen"  # whether its replay left seen items out; absent: it did
ENTRY_TAG = "recloop.ledger_entry"  # of the registered model: number and hash of the last entry that the alias follows


class TrackingUnreachable(Exception):
    """MLflow does not answer: names the address and the fix."""


class TrackingRefused(Exception):
    """MLflow refuses this account: names the account, what MLflow says, and the setting."""


class NoSuchVersion(Exception):
    """No registered version has this number or alias: names those that exist."""


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """One version of a registered model, as of the moment it was read."""

    name: str
    version: str
    run_id: str
    source: str  # models:/<logged model>
    tags: dict[str, str]

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.version}"

    @property
    def bundle_digest(self) -> str | None:
        """None for a version that somebody registered by hand."""
        return self.tags.get(BUNDLE_TAG)

    @property
    def verdict(self) -> str | None:
        return self.tags.get(VERDICT_TAG)

    @property
    def excludes_seen(self) -> bool:
        """Whether items of the history are left out of its lists: as it was judged, so it is served."""
        return excludes_seen(self.tags)

    @property
    def is_approved(self) -> bool:
        """Whether a reviewer has approved it in MLflow's UI."""
        return self.tags.get(APPROVAL_TAG, "").strip().lower() == APPROVED

    @property
    def approver(self) -> str | None:
        """Who approved it, as the reviewer wrote it; None if nobody's name stands there."""
        return self.tags.get(APPROVER_TAG, "").strip() or None

    @property
    def started_by(self) -> str | None:
        """Who started the run that made it."""
        return self.tags.get(STARTER_TAG, "").strip() or None


@dataclass(frozen=True, kw_only=True)
class RegisteredModel:
    """One model whole, read at one moment."""

    name: str
    exists: bool
    aliases: dict[str, str]  # alias → version
    tags: dict[str, str]
    versions: tuple[RegisteredVersion, ...]  # oldest first

    def version(self, number: str | None) -> RegisteredVersion | None:
        """The version of this number, or None."""
        return next((found for found in self.versions if found.version == number), None)

    def named(self, alias: str) -> RegisteredVersion | None:
        """The version that an alias names, or None."""
        return self.version(self.aliases.get(alias))

    @property
    def entry(self) -> int | None:
        """The number of the ledger's entry that the model carries, 0 for none; None if there is no such model."""
        return int((self.tags.get(ENTRY_TAG) or "0").split()[0]) if self.exists else None

    @property
    def entry_hash(self) -> str:
        """The hash of that entry; "" where a release before carried its number alone."""
        return self.tags.get(ENTRY_TAG, "").partition(" ")[2]


def excludes_seen(tags: Mapping[str, str]) -> bool:
    """What a version's tags say of items of the history: left out, unless it was judged with them."""
    return tags.get(JUDGED_TAG, "true").lower() != "false"


def no_champion(model_name: str) -> str:
    """Why nothing can be served, and how a champion comes to be."""
    return (
        f"{model_name} has no champion yet. `recloop retrain` trains, replays and promotes one; "
        "`recloop promote --version N` promotes a version that was approved."
    )
