"""What is put to the test: every arm's lists with what is known of the arm, and who challenges whom by which rules.

Shapes: R requests of the plan, N requests of the cold pass, k places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from jaxtyping import Int

from components.evaluation.alpha_spending import Attempt
from components.evaluation.canonical import ListError
from components.evaluation.gate import GateProfile
from components.evaluation.latency import Latency
from components.evaluation.scores import METRICS

Compared = Literal["registry artifact", "refit at the cut"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmLists:
    """One arm's answers to a plan's requests: positions in its catalogue, best first, -1 where empty."""

    name: str
    lists: Int[np.ndarray, "R k"]
    train_end: datetime | None  # trained on events before it; None: not known
    digest: str | None  # of its artifact, where it has one
    latency: Latency | None = None  # None: not measured
    cold_lists: Int[np.ndarray, "N k"] | None = None  # answers to the cold pass; None: it found nothing there
    joined_lists: Int[np.ndarray, "R k"] | None = None  # to all, with the items of that pass; None: not asked


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Who is judged against whom, and how.

    `attempt` is the challenger's place among those tried on this window: its alpha is what the comparisons are
    made at. `compared` says whether the champion's lists are those of its artifact, or of the same recipe
    refitted at the cut.
    """

    challenger: str
    champion: str | None  # None: the `must_beat` arms stand in its place
    profile: GateProfile
    attempt: Attempt | None = None
    compared: Compared = "registry artifact"

    @property
    def alpha_one_sided(self) -> float:
        """What is left of alpha. With nothing left the figures stand at the profile's own, and the gate is shut."""
        left = self.attempt.alpha_one_sided if self.attempt else 0.0
        return left or self.profile.primary.alpha_one_sided

    @property
    def metrics(self) -> tuple[str, ...]:
        """What the profile reads, its primary first, then what is always reported."""
        return tuple(dict.fromkeys([*self.profile.user_metrics, *METRICS]))

    @property
    def judged(self) -> tuple[str, ...]:
        """Challenger and champion."""
        return (self.challenger, self.champion) if self.champion else (self.challenger,)

    def rivals(self, arms: Sequence[str]) -> tuple[str, ...]:
        """The other arms: champion first, then those that must be beaten, then the rest as they come."""
        first = [arm for arm in (self.champion, *self.profile.must_beat) if arm in arms]
        return tuple(arm for arm in dict.fromkeys([*first, *arms]) if arm and arm != self.challenger)

    def check(self, arms: Sequence[ArmLists]) -> None:
        """Raises ListError for an arm that was named and has no lists, or two, or lists that are too short."""
        names = [arm.name for arm in arms]
        for name in self.judged:
            if name not in names:
                raise ListError(
                    f"{name} has no lists; there are lists of {', '.join(sorted(names)) or 'no arm'}"
                )
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ListError(f"two arms are named {twice[0]}; give each arm a name of its own")
        least = self.profile.list_length
        for arm in arms:
            if arm.lists.ndim == 2 and arm.lists.shape[1] < least:
                raise ListError(
                    f"lists of {arm.name} have {arm.lists.shape[1]} places and profile {self.profile.name} reads "
                    f"{least}; ask the arm for k={least}"
                )
