"""Logs of two or three versions, drawn from worlds in which the value of every policy is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.bandit.arm_log import ArmLog

GOOD, BAD = 0.5, 0.2


@dataclass(frozen=True, kw_only=True)
class HalvesWorld:
    """Version 1 is right for users below the middle of the first number, version 2 above; the second says nothing."""

    share: float = 0.5  # of the rounds that version 2 answers
    context_matters: bool = True

    oracle: float = GOOD
    single: float = (GOOD + BAD) / 2  # of either version for everybody

    def draw(self, rounds: int, seed: int, *, users: int = 1_500) -> ArmLog:
        generator = np.random.default_rng(seed)
        user = generator.integers(0, users, rounds)
        kind = generator.random(users)[user]
        arm = (generator.random(rounds) < self.share).astype(int)
        chance = np.where((kind > 0.5) == (arm == 1), GOOD, BAD)
        seen = kind if self.context_matters else generator.permutation(kind)
        return ArmLog(
            context=np.column_stack([seen * 1_000, generator.exponential(10, rounds)]),
            context_names=("length", "days"),
            arm=arm,
            arms=("1", "2"),
            reward=(generator.random(rounds) < chance).astype(float),
            propensity=np.where(arm == 1, self.share, 1 - self.share),
            cluster=np.unique(user, return_inverse=True)[1],
        )


def draw_of_dealt_users(rounds: int, seed: int, *, users: int = 600) -> ArmLog:
    """Two equal versions, users dealt to one of them for ever, and each with a rate of reward of their own."""
    generator = np.random.default_rng(seed)
    user = generator.integers(0, users, rounds)
    arm, rate = generator.integers(0, 2, users)[user], generator.beta(0.3, 0.6, users)[user]
    return ArmLog(
        context=generator.normal(size=(users, 3))[user] + 0.1 * generator.normal(size=(rounds, 3)),
        context_names=("a", "b", "c"),
        arm=arm,
        arms=("1", "2"),
        reward=(generator.random(rounds) < rate).astype(float),
        propensity=np.full(rounds, 0.5),
        cluster=user,
    )
