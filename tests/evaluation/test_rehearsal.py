"""The rehearsal of the live test: dealt by hash, checked, and weaker than the paired contrast."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from components.evaluation import rehearsal
from components.evaluation.rehearsal import Rehearsal, assign_arms, bucket, hash_order, rehearse


def rehearsed(old, new, before, salt: str = "s") -> Rehearsal | None:
    users = [f"u{n}" for n in range(len(old))]
    named = {"challenger": "new", "baseline": "old", "metric": "ndcg@10"}
    return rehearse(old, new, before, users, **named, salt=salt, alpha=0.05, power=0.8)


def test_it_sees_less_than_the_paired_contrast_and_cuped_helps():
    """What a user does depends on the user far more than on the arm, and shows before the cut."""
    generator = np.random.default_rng(2)
    before = generator.poisson(20, 4_000).astype(float)
    old = (before / 60 + generator.normal(0, 0.03, 4_000)).clip(0, 1)
    new = (old + generator.normal(0.01, 0.02, 4_000)).clip(0, 1)
    found = rehearsed(old, new, before)
    assert found is not None
    assert sum(found.counts) == 4_000
    assert found.is_valid
    assert found.paired_mde < found.cuped_mde < found.unpaired_mde
    assert found.cuped.adjusted.difference == pytest.approx(0.01, abs=3 * found.cuped.adjusted.se)


def test_each_user_counts_under_one_arm_only():
    """Everybody has 0 under the old arm and 1 under the new: the difference is 1 with no spread at all."""
    found = rehearsed(np.zeros(50), np.ones(50), np.ones(50))
    assert found is not None
    assert (found.unpaired.difference, found.unpaired.se, found.paired_mde) == (1, 0, 0)


def test_users_without_a_value_are_not_dealt():
    old = np.where(np.arange(60) < 20, np.nan, 0.5)
    found = rehearsed(old, np.full(60, 0.5), np.ones(60))
    assert found is not None
    assert sum(found.counts) == 40


@pytest.mark.parametrize("num_users", [0, 1, 3])
def test_too_few_users_make_no_rehearsal(num_users: int):
    values = np.full(num_users, 0.5)
    assert rehearsed(values, values, values) is None


def test_a_split_off_its_shares_is_told_and_invalid():
    """One salt in a thousand or so splits users as a broken assignment would: look for it."""
    users = [f"u{n}" for n in range(40)]
    salts = (f"salt {n}" for n in range(20_000))
    salt = next(s for s in salts if abs(sum(assign_arms(s, users, (0.5, 0.5))) - 20) > 10)
    values = np.random.default_rng(0).random(40)
    found = rehearsed(values, values, values, salt)
    assert found is not None
    assert abs(found.counts[0] - found.counts[1]) > 20
    assert not found.is_valid
    assert "the split is broken" in found.reason


def test_hash_order_is_that_of_the_buckets():
    users = [f"u{n}" for n in range(100)]
    order = hash_order("salt", users)
    buckets = [bucket("salt", users[place]) for place in order]
    assert buckets == sorted(buckets)
    assert sorted(order.tolist()) == list(range(100))
    assert order.tolist() != list(range(100))


def test_a_small_expected_count_takes_the_exact_binomial():
    found = rehearsal.sample_ratio([4, 2], [0.5, 0.5])
    assert found.p == pytest.approx(stats.binomtest(4, 6, 0.5).pvalue)


def test_cuped_with_a_constant_covariate_changes_nothing():
    after, arm = np.array([1.0, 2.0, 4.0, 3.0]), np.array([0, 0, 1, 1])
    found = rehearsal.cuped(np.ones(4), after, arm)
    assert (found.theta, found.adjusted) == (0.0, found.raw)
