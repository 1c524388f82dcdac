"""Who may move the champion: what the verdict decides alone, and where a person must stand behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.registry.registered import (
    APPROVAL_TAG,
    APPROVED,
    APPROVER_TAG,
    STARTER_TAG,
    RegisteredVersion,
)

PROMOTE = "PROMOTE"


@dataclass(frozen=True, kw_only=True)
class PromotionPolicy:
    """`auto`: the verdict PROMOTE suffices. `approve`: nothing moves without a person, whatever the verdict.

    `two_person`: the person must be known by name and must not be who started the run. MLflow does not
    record who sets a tag, so the name is what the reviewer writes into the tag `approved_by`.
    """

    mode: Literal["auto", "approve"] = "auto"
    two_person: bool = False

    def __post_init__(self) -> None:
        if self.two_person and self.mode == "auto":
            raise ValueError(
                "the two-person rule needs the policy approve: under auto a verdict moves the champion and no "
                "second person is asked. Set RECLOOP_PROMOTION_POLICY=approve or unset RECLOOP_TWO_PERSON_RULE."
            )


AUTO = PromotionPolicy()


def objection(
    target: RegisteredVersion, *, verdict: str, policy: PromotionPolicy, approver: str | None, force: bool
) -> str | None:
    """Why this version may not become champion, or None.

    `approver` is the person who asks for the move; None if a verdict does. `force` goes against the verdict,
    never against the policy. A version without a bundle could not be served at all.
    """
    if target.bundle_digest is None:
        return f"{target.uri} was not registered by recloop: it holds no bundle to serve from."
    return _of_the_verdict(target, verdict, force) or _of_the_policy(target, policy, approver)


def _of_the_verdict(target: RegisteredVersion, verdict: str, force: bool) -> str | None:
    if force or target.is_approved:
        return None
    if verdict != target.verdict:
        return (
            f"{target.uri} is tagged {target.verdict}, not {verdict}: it was judged anew. Look at it again."
        )
    if verdict != PROMOTE:
        return (
            f"the verdict on {target.uri} is {verdict}. Only {PROMOTE} moves the champion; a reviewer may "
            f"set the tag {APPROVAL_TAG}: {APPROVED} in MLflow, or force it with a reason for the ledger."
        )
    return None


def _of_the_policy(target: RegisteredVersion, policy: PromotionPolicy, approver: str | None) -> str | None:
    if policy.mode == "auto":
        return None
    if approver is None and not target.is_approved:
        return (
            f"the policy is approve: a person decides on {target.uri}. Set the tag {APPROVAL_TAG}: {APPROVED} "
            f"on it in MLflow, or run `recloop promote --version {target.version}`."
        )
    if not policy.two_person:
        return None
    if (who := approver or target.approver) is None:
        return (
            f"two persons are asked for, and nobody's name stands on {target.uri}. Write it into the tag "
            f"{APPROVER_TAG} in MLflow."
        )
    if target.started_by is None:
        return (
            f"two persons are asked for, and {target.uri} does not tell who started its run: it has no tag "
            f"{STARTER_TAG}. Retrain, or set RECLOOP_TWO_PERSON_RULE=false for this once."
        )
    if _same(who, target.started_by):
        return (
            f"two persons are asked for: {who} started the run of {target.uri} and may not approve it. "
            "Let somebody else approve it."
        )
    return None


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()
