"""Predicted reward of every action: smoothed means by position and action, cross-fitted over clusters.

A round's prediction comes from rounds of other clusters only. Clusters are cut into blocks in the order in
which they appear: blocks of users where users are known, of time where they are not.
Shapes: N rounds, F folds, A actions, Z = positions × A cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from components.evaluation.counterfactual.logged import LoggedFeedback, TargetPolicy


@dataclass(frozen=True, kw_only=True, eq=False)
class RewardModel:
    """q of the logged actions, v of the target policy, and what both were made of."""

    q: Float[np.ndarray, "N"]
    value: Float[np.ndarray, "N"]
    reward: Float[np.ndarray, "N"]
    fold: Int[np.ndarray, "N"]
    cell: Int[np.ndarray, "N"]
    means: Float[np.ndarray, "F Z"]  # smoothed, of the rounds outside the fold
    overall: Float[np.ndarray, "F"]  # what they are smoothed to
    counts: Float[np.ndarray, "F Z"]  # rounds outside the fold
    target_mass: Float[np.ndarray, "F Z"]  # sum over the fold's rounds of pi_e, over N
    smoothing: float

    def error(self, weight: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
        """What other training rounds would have moved in mean(v + weight (r - q)), to first order, mean 0.

        With s rewards in n rounds a smoothed mean is (s + k m) / (n + k), so one more round of reward r moves
        it by (r - q) / (n + k), and through m by k / (n + k) (r - m) / N_f. An estimator weighs that by the
        share of pi_e that its correction leaves to the model: all of it for DM (weight 0), none on average
        for DR.
        """
        num_rounds, num_folds = len(self.q), len(self.means)
        place = self.fold * self.means.shape[1] + self.cell
        corrected = np.bincount(place, weights=weight, minlength=self.means.size).reshape(self.means.shape)
        left = self.target_mass - corrected / num_rounds
        through_overall = (left * self.smoothing / (self.counts + self.smoothing)).sum(axis=1)
        error = np.zeros(num_rounds)
        for fold in range(num_folds):
            moved = left[fold, self.cell] * (self.reward - self.means[fold, self.cell])
            moved /= self.counts[fold, self.cell] + self.smoothing
            moved += through_overall[fold] * (self.reward - self.overall[fold]) / self.counts[fold].sum()
            error += np.where(self.fold == fold, 0.0, moved)
        # in units of a round's term, as the estimator's own columns are
        error *= num_rounds
        return error - error.mean()


def smoothed_means(feedback: LoggedFeedback, *, smoothing: float) -> Float[np.ndarray, "Z"]:
    """Mean reward of every position and action over the whole log, drawn towards the overall mean."""
    cell = feedback.position * len(feedback.actions) + feedback.action
    counts, sums = np.bincount(cell), np.bincount(cell, weights=feedback.reward)
    return (sums + smoothing * feedback.reward.mean()) / (counts + smoothing)


def fit_reward_model(
    feedback: LoggedFeedback, policy: TargetPolicy, *, folds: int = 3, smoothing: float = 50.0
) -> RewardModel:
    """Means by position and action, drawn towards the overall mean by `smoothing` rounds (above 0).

    Raises ValueError with fewer clusters than folds.
    """
    num_clusters, num_actions = feedback.num_clusters, len(feedback.actions)
    if num_clusters < folds or folds < 2:
        raise ValueError(f"{num_clusters} clusters cannot be cut into {folds} folds (at least 2)")
    fold = feedback.cluster * folds // num_clusters
    cell = feedback.position * num_actions + feedback.action
    num_cells = (int(feedback.position.max()) + 1) * num_actions
    shape = (folds, num_cells)
    place = fold * num_cells + cell
    inside = np.bincount(place, minlength=folds * num_cells).reshape(shape)
    sums_inside = np.bincount(place, weights=feedback.reward, minlength=folds * num_cells).reshape(shape)
    # of the rounds outside each fold: a round's prediction never saw its own reward
    counts, sums = inside.sum(axis=0) - inside, sums_inside.sum(axis=0) - sums_inside
    overall = sums.sum(axis=1) / counts.sum(axis=1)
    means = (sums + smoothing * overall[:, None]) / (counts + smoothing)

    value, mass = np.empty(len(feedback)), np.zeros(shape)
    for f in range(folds):
        for position in range(num_cells // num_actions):
            rounds = np.flatnonzero((fold == f) & (feedback.position == position))
            cells = slice(position * num_actions, (position + 1) * num_actions)
            # rounds share rows of the policy's table: each distinct one is multiplied once
            rows, uses = np.unique(policy.row[rounds], return_inverse=True)
            chosen = policy.normalised[rows]
            value[rounds] = (chosen @ means[f, cells])[uses]
            mass[f, cells] = np.bincount(uses, minlength=len(rows)) @ chosen
    return RewardModel(
        q=means[fold, cell],
        value=value,
        reward=feedback.reward,
        fold=fold,
        cell=cell,
        means=means,
        overall=overall,
        counts=counts.astype(float),
        target_mass=mass / len(feedback),
        smoothing=smoothing,
    )
