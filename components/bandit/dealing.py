"""Which version answers whom under a policy, drawn by a hash: the same user in the same state gets the same one.

Shapes: N users, A arms.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from components.bandit.policy_file import SavedPolicy
from components.evaluation.rehearsal import bucket


def deal(
    saved: SavedPolicy, user_ids: Sequence[str], context: Float[np.ndarray, "N D"]
) -> tuple[Int[np.ndarray, "N"], Float[np.ndarray, "N"]]:
    """Place of each user's version among the policy's arms, and the probability that it was drawn with.

    That probability is what a log must note. The hash is salted by the policy, so that another policy does not try
    its doubtful versions on the same users again.
    """
    chances = saved.policy.probabilities(context)
    salt = saved.digest  # of the whole policy, so once for all users
    drawn = np.array([bucket(salt, user) for user in user_ids])
    # the first arm whose cumulative probability exceeds the bucket; rounding leaves no gap at the end
    place = (drawn[:, None] >= chances.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return place, chances[np.arange(len(place)), place]
