"""Two tokenizer versions: new numbers for the same groups are no change, other groups are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from components.tokenizer.config import quick
from components.tokenizer.fit import fit_tokenizer
from components.tokenizer.health import HealthLimits
from components.tokenizer.ids import SemanticIds, with_collision_tokens
from components.tokenizer.stability import IdsUnrelated, adjusted_rand, check_stability, stability
from tests.tokenizer.planted import planted_catalogue


def _table(codes: np.ndarray, first: int = 0) -> SemanticIds:
    names = np.array([f"i{row:04d}" for row in range(first, first + len(codes))], dtype=object)
    return with_collision_tokens(names, codes, np.zeros(len(codes), dtype=np.int64))


def test_adjusted_rand_by_hand():
    """{0,1},{2,3} against {0,1},{2},{3}: together in both 1, in one 2, in the other 1, chance 2·1/6 = 1/3;
    (1 - 1/3) / (1.5 - 1/3) = 4/7."""
    assert adjusted_rand(np.array([0, 0, 1, 1]), np.array([5, 5, 0, 2])) == pytest.approx(4 / 7)


@settings(max_examples=50, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40))
def test_adjusted_rand_is_that_of_scikit_learn_and_symmetric(pairs):
    one, other = np.array(pairs).T
    assert adjusted_rand(one, other) == pytest.approx(adjusted_rand_score(one, other))
    assert adjusted_rand(one, other) == pytest.approx(adjusted_rand(other, one))


def test_other_numbers_for_the_same_groups_are_no_change():
    codes = np.random.default_rng(0).integers(0, 4, (60, 3))
    found = stability(_table(codes), _table(3 - codes))
    assert found.rand == (1.0, 1.0)
    assert found.identical < 0.1
    same = stability(_table(codes), _table(codes))
    assert same.identical == 1.0
    assert same.summary() == (
        "of 60 items with an ID before, 100% keep it, and 100% of the grouping by first code stays"
    )


def test_codes_dealt_anew_have_nothing_in_common():
    rng = np.random.default_rng(0)
    found = stability(_table(rng.integers(0, 4, (400, 2))), _table(rng.integers(0, 4, (400, 2))))
    assert max(abs(value) for value in found.rand) < 0.05


def test_ids_that_have_nothing_in_common_stop_a_refit_unless_too_few_to_tell():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (400, 2))
    with pytest.raises(
        IdsUnrelated,
        match=r"of 400 items .* Rand index of -?0\.0\d\d .* with --keep-tokenizer and without --tokenizer",
    ):
        check_stability(stability(_table(codes), _table(rng.permutation(codes))), HealthLimits())
    check_stability(stability(_table(codes), _table(3 - codes)), HealthLimits())
    few = stability(_table(codes[:100]), _table(rng.permutation(codes[:100])))
    check_stability(few, HealthLimits())


def test_only_common_items_are_compared():
    """Items 2, 3 are in both, with the same codes; what the others have does not matter."""
    old = _table(np.array([[0, 0], [1, 1], [2, 2], [3, 3]]))
    new = _table(np.array([[2, 2], [3, 3], [0, 0], [1, 1]]), first=2)
    found = stability(old, new)
    assert (found.common, found.identical) == (2, 1.0)
    assert found.metrics() == {
        "stability_common": 2.0, "stability_identical": 1.0, "stability_rand_1": 1.0, "stability_rand_2": 1.0,
    }  # fmt: skip
    assert stability(old, _table(np.array([[0, 0]]), first=9)) is None


def test_versions_of_another_depth_are_compared_by_what_both_have():
    codes = np.random.default_rng(0).integers(0, 4, (60, 3))
    found = stability(_table(codes), _table(codes[:, :2]))
    assert found.rand == (1.0, 1.0)
    assert found.identical == 0.0


def test_a_refit_on_more_of_the_same_keeps_planted_groups():
    """Another seed and a few more users: the first codes still group the items much alike."""
    before = fit_tokenizer(*planted_catalogue().inputs, quick())
    after = fit_tokenizer(*planted_catalogue(num_users=140).inputs, replace(quick(), seed=5))
    assert stability(_table(before.codes), _table(after.codes)).rand[0] > 0.3
