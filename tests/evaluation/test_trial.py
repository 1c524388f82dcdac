"""What is put to the test: arms that fit, rivals in order, alpha that is left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.evaluation.alpha_spending import Attempt
from components.evaluation.canonical import ListError
from components.evaluation.replay import Trial, evaluate
from tests.evaluation.judging import PROFILE, arms_of, judge


def test_lists_that_do_not_fit_name_the_arm(world):
    plan, lists = world
    with pytest.raises(ListError, match="good have 10 places"):
        judge(plan, {**lists, "good": lists["good"][:, :10]}, "better", "good")
    with pytest.raises(ListError, match="lists of good are"):
        judge(plan, {**lists, "good": lists["good"][1:]}, "better", "good")
    unknown = lists["good"].copy()
    unknown[3, 0] = 10**6
    with pytest.raises(ListError, match="good: list 3, place 0: item 1000000"):
        judge(plan, {**lists, "good": unknown}, "better", "good")
    with pytest.raises(ListError, match="ghost has no lists"):
        judge(plan, lists, "better", "ghost")


def test_rivals_stand_in_the_order_in_which_they_matter():
    trial = Trial(challenger="new", champion="old", profile=PROFILE)
    arms = ["aside", "new", "old", "popularity", "random", "recent_popularity"]
    assert trial.rivals(arms) == ("old", "popularity", "recent_popularity", "aside", "random")
    first = replace(trial, champion=None)
    assert first.rivals(arms)[:2] == ("popularity", "recent_popularity")
    assert first.rivals(["new"]) == ()
    assert (trial.judged, first.judged) == (("new", "old"), ("new",))


def test_what_is_left_of_alpha_and_the_profiles_own_where_nothing_is():
    trial = Trial(challenger="new", champion=None, profile=PROFILE)
    assert trial.alpha_one_sided == 0.025
    for left, alpha in ((0.004, 0.004), (0.0, 0.025)):
        assert replace(trial, attempt=Attempt(number=2, alpha_one_sided=left)).alpha_one_sided == alpha


def test_two_arms_of_one_name_are_refused(world):
    plan, lists = world
    twice = [*arms_of(lists), *arms_of({"bad": lists["bad"]})]
    with pytest.raises(ListError, match="two arms are named bad"):
        evaluate(plan, twice, Trial(challenger="better", champion="good", profile=PROFILE))
