"""Which version a learned bandit lets answer a user, from what the warehouse knows of the user."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.registry.registered import RegisteredVersion


class NotForUsers(Exception):
    """A policy whose context is not made of a user's events: nobody but its owner can say what it is."""


@dataclass(frozen=True, kw_only=True)
class Dealt:
    version: RegisteredVersion
    probability: float  # of this version, for the log
    context: dict[str, float]  # what it hung on
    by: str  # file of the policy
    outcome: str  # what the log told when the policy was learned

    @property
    def note(self) -> str:
        told = ", ".join(f"{name} {value:.3g}" for name, value in self.context.items())
        learned = f"{self.by} ({self.outcome} when it was learned)"
        return f"dealt by {learned} with probability {self.probability:.2f}: {told}"

    @property
    def as_json(self) -> dict[str, object]:
        return {
            "by": self.by,
            "outcome": self.outcome,
            "version": self.version.version,
            "probability": self.probability,
            "context": self.context,
        }


def dealt_version(path: Path, user: str, at: datetime) -> Dealt:
    """The version, drawn by a hash of the user.

    Raises PolicyFileUnreadable, NotForUsers, NoSuchVersion, NothingRegistered, TrackingUnreachable.
    """
    import numpy as np

    from components.bandit.dealing import deal
    from components.bandit.policy_file import read_policy
    from components.bandit.user_context import CONTEXT, user_context
    from components.registry.registered import NoSuchVersion
    from flows.cli.registry import model_now
    from flows.warehouse import warehouse

    saved = read_policy(path)
    policy = saved.policy
    if policy.context_names != CONTEXT or not saved.popular:
        raise NotForUsers(
            f"{path}: its context is {', '.join(policy.context_names)}, of a file of your own and not made of a "
            "user's events here. A policy that `recloop bandit --to` learns from the server's own log, without "
            "--exposures, is."
        )
    from components.data.user_figures import user_figures

    found = user_figures(warehouse(), [user], popular=saved.popular, before=at).iloc[0]
    days = (at - found["last_at"]) / timedelta(days=1)  # NaN of whoever has no event
    context = user_context(
        *(np.array([number], float) for number in (found["events"], found["popular"], days))
    )
    places, chances = deal(saved, [user], context)
    model, number = model_now(), policy.arms[places[0]]
    if (version := model.version(number)) is None:
        there = ", ".join(one.version for one in model.versions) or "none"
        raise NoSuchVersion(
            f"{path} lets version {number} answer, and {model.name} has {there}. Learn from a log of versions that "
            "are registered: `recloop bandit --to` writes the file anew."
        )
    return Dealt(
        version=version,
        probability=float(chances[0]),
        context=dict(zip(CONTEXT, map(float, context[0]), strict=True)),
        by=path.name,
        outcome=saved.outcome,
    )
