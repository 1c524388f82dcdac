"""Worlds in which the value of every policy is known, and logs drawn from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.evaluation.counterfactual.logged import LoggedFeedback, TargetPolicy


@dataclass(frozen=True, kw_only=True)
class World:
    """Users come in kinds [X], each as often; actions [A]. Rewards are 0 or 1."""

    logging: np.ndarray  # [X, A] p_0
    target: np.ndarray  # [X, A] pi_e
    mean_reward: np.ndarray  # [X, A]

    @property
    def value(self) -> float:
        """Of the target policy, a round."""
        return float((self.target * self.mean_reward).sum(axis=1).mean())

    @property
    def logged_value(self) -> float:
        return float((self.logging * self.mean_reward).sum(axis=1).mean())


def make_world(
    *, kinds: int = 3, actions: int = 4, lift: float = 1.0, context_matters: bool = True, seed: int = 0
) -> World:
    """The target policy prefers what is rewarded, by exp(lift · reward); negative lift: what is not."""
    generator = np.random.default_rng(seed)
    mean_reward = generator.uniform(0.1, 0.6, size=(kinds if context_matters else 1, actions))
    mean_reward = np.broadcast_to(mean_reward, (kinds, actions))
    logging = 0.5 / actions + 0.5 * generator.dirichlet(np.full(actions, 3.0), size=kinds)
    target = logging * np.exp(lift * 4 * mean_reward)
    return World(logging=logging, target=target / target.sum(axis=1, keepdims=True), mean_reward=mean_reward)


def draw_log(
    world: World, rounds: int, generator: np.random.Generator, *, knows_policy: bool = True
) -> LoggedFeedback:
    kind = generator.integers(0, len(world.logging), rounds)
    chances = world.logging[kind].cumsum(axis=1)
    action = (generator.random(rounds)[:, None] > chances[:, :-1]).sum(axis=1)
    return LoggedFeedback(
        action=action,
        position=np.zeros(rounds, dtype=int),
        reward=(generator.random(rounds) < world.mean_reward[kind, action]).astype(float),
        propensity=world.logging[kind, action],
        target=world.target[kind, action],
        cluster=np.arange(rounds),
        actions=np.arange(world.logging.shape[1]),
        policy=TargetPolicy(probabilities=world.target, row=kind) if knows_policy else None,
    )
