"""The sign-flip permutation test of paired differences: what chance alone would make of their signs.

Source: Phipson & Smyth 2010, p = (1 + b) / (1 + B).
Shapes: U users, M columns (metrics), B resamples.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float

from components.evaluation.bootstrap import CHUNK_USERS, HELD_AT_ONCE, blocks
from components.evaluation.statistics import TIE

Alternative = Literal["two-sided", "greater", "less"]


def sign_flip_p(
    differences: Float[np.ndarray, "U M"],
    *,
    resamples: int = 10_000,
    seed: int,
    alternative: Alternative = "two-sided",
) -> Float[np.ndarray, "M"]:
    """p of mean(d) = 0 under random signs: exact up to 20 users, Monte Carlo (1+b)/(1+B) beyond.

    Zeros stay in; resampled sums within 1e-12 of the observed mean count as ties; two-sided is
    min(1, 2 min(greater, less)).
    """
    num_users, num_columns = differences.shape
    if not num_users:
        return np.ones(num_columns)
    observed = differences.mean(axis=0)
    at_least = np.zeros(num_columns)
    at_most = np.zeros(num_columns)
    if num_users <= 20:
        for column, values in enumerate(differences.T):
            means = _all_signed_sums(values) / num_users
            at_least[column] = (means >= observed[column] - TIE).mean()
            at_most[column] = (means <= observed[column] + TIE).mean()
    else:
        bits = np.random.SFC64(seed)
        for rows in blocks(resamples, max(1, HELD_AT_ONCE // min(num_users, CHUNK_USERS))):
            positive = np.zeros((rows.stop - rows.start, num_columns))
            for users in blocks(num_users, CHUNK_USERS):
                shape = (len(positive), users.stop - users.start)
                positive += _coins(bits, shape) @ differences[users]
            means = 2 * positive / num_users - observed  # kept signs minus flipped ones
            at_least += (means >= observed - TIE).sum(axis=0)
            at_most += (means <= observed + TIE).sum(axis=0)
        # the observed signs are one of the draws: without them p could be 0
        at_least, at_most = (1 + at_least) / (1 + resamples), (1 + at_most) / (1 + resamples)
    if alternative == "greater":
        return at_least
    if alternative == "less":
        return at_most
    return np.minimum(1.0, 2 * np.minimum(at_least, at_most))


def _all_signed_sums(values: Float[np.ndarray, "U"]) -> Float[np.ndarray, "2**U"]:
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _coins(bits: np.random.SFC64, shape: tuple[int, int]) -> Float[np.ndarray, "B U"]:
    size = shape[0] * shape[1]
    raw = bits.random_raw(-(-size // 64)).view(np.uint8)
    return np.unpackbits(raw, count=size).reshape(shape).astype(float)
