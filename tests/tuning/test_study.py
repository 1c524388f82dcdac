"""A study asks for the same settings whether or not it is killed on its way."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.recommender.search_space import OneOf, Real, Settings, Whole
from components.tuning.budget import Budget
from components.tuning.study import DECODE_EVERY, STARTUP_TRIALS, Study

SPACE = {
    "rate": Real(low=1e-3, high=1e-1, log=True),
    "epochs": Whole(low=1, high=9),
    "size": OneOf(values=(16, 32)),
    "share": Real(low=0.5, high=0.99),
}
PRESET: Settings = {"rate": 0.012345678, "epochs": 4, "size": 16, "share": 0.9}
NUM_TRIALS = STARTUP_TRIALS + 2  # TPE has something to learn from


def opened(folder: Path) -> Study:
    return Study(folder / "study.db", SPACE, PRESET, decode={"share"}, seed=3)


def value_of(settings: Settings) -> float:
    return -abs(float(settings["rate"]) - 0.02) - abs(float(settings["share"]) - 0.6)


def do(study: Study) -> None:
    asked = study.ask()
    if asked.number == 3:
        study.tell(asked, None, seconds=0, cpu_seconds=0, failed="the loss is no number")
    else:
        study.tell(asked, value_of(asked.settings), seconds=2.0, cpu_seconds=1.0)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = opened(tmp_path_factory.mktemp("study"))
    for _ in range(NUM_TRIALS):
        do(study)
    return study


def test_a_study_that_was_killed_goes_on_to_the_same_trials(undisturbed: Study, tmp_path: Path) -> None:
    study = opened(tmp_path)
    for number in range(NUM_TRIALS):
        if number in (0, 2, STARTUP_TRIALS + 1):
            study.ask()  # and nobody tells what came of it
            study = opened(tmp_path)
        if number == 4:
            study.abandon(study.ask())
        do(study)
    assert study.tried == undisturbed.tried


def test_the_preset_comes_first_to_the_last_digit_and_the_best_is_never_worse(undisturbed: Study) -> None:
    first = undisturbed.tried[0]
    assert (first.kind, first.settings) == ("preset", PRESET)
    best = undisturbed.best()
    assert best.value is not None
    assert best.value >= value_of(PRESET)
    assert best.value == max(one.value for one in undisturbed.tried if one.value is not None)


def test_every_third_trial_decodes_the_best_one_anew(undisturbed: Study) -> None:
    tried = undisturbed.tried
    decoding = [one for one in tried if one.kind == "decode"]
    assert [one.number for one in decoding] == list(range(DECODE_EVERY - 1, NUM_TRIALS, DECODE_EVERY))
    for one in decoding:
        before = [other for other in tried[: one.number] if other.value is not None]
        best = max(before, key=lambda other: other.value or 0)
        assert {**one.settings, "share": 0} == {**best.settings, "share": 0}
        assert one.settings["share"] != best.settings["share"]


def test_what_could_not_be_trained_is_over_and_has_no_value(undisturbed: Study) -> None:
    failed = undisturbed.tried[3]
    assert (failed.value, failed.failed) == (None, "the loss is no number")


def test_settings_lie_in_their_space_with_four_digits(undisturbed: Study) -> None:
    for one in undisturbed.tried[1:]:
        assert all(SPACE[name].holds(value) for name, value in one.settings.items())
        if one.kind == "search":
            assert float(f"{one.settings['rate']:.4g}") == one.settings["rate"]


def test_the_confirmation_is_kept_back_from_the_start() -> None:
    budget = Budget(trials=20, seconds=100.0, confirmations=2)
    assert budget.kept_back(10.0, 15.0) == 50
    assert budget.estimate(10.0) == 240
    assert budget.trials_that_fit(10.0) == 6  # 60 s of 100, since both are trained again with two seeds
    assert budget.trials_that_fit(1000.0) == 1
