"""A bandit over versions: its rounds from the scoring server's log or from a file, learned, then judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from components.bandit.arm_log import ArmLog, arm_log_from_rows, split_in_time
from components.bandit.arm_policy import learn
from components.bandit.judging import BanditResult, judge_bandit
from components.bandit.policy_file import SavedPolicy
from components.data.sources.arm_table import read_arm_table
from components.data.user_figures import most_popular, user_figures
from components.evaluation.counterfactual import profile as logged_profiles
from components.evaluation.counterfactual.logged import LoggedFeedbackError
from components.serving.arm_rounds import arm_rounds
from components.serving.live_test import LiveTest, settled_exposures
from flows.live_experiment import NoLiveTest, all_tests, outcomes_of
from flows.warehouse import warehouse

PROFILES = {"small": logged_profiles.small, "production": logged_profiles.production}
NUM_POPULAR = 100  # items that count as popular: those with the most events when the log begins


class NothingToChoose(Exception):
    """A file knows fewer than two versions: says which one."""


@dataclass(frozen=True, kw_only=True)
class BanditRounds:
    """A log, and which items count as popular in its contexts; none where the contexts are of the user's own."""

    log: ArmLog
    popular: tuple[str, ...]
    about: str
    doubt: str = ""  # what speaks against the log, which no figure of it tells


@dataclass(frozen=True, kw_only=True)
class ToldBandit:
    result: BanditResult
    saved: SavedPolicy


def rounds_of_file(path: Path, versions: Sequence[str]) -> BanditRounds:
    """Raises SourceUnavailable, DataContractError, LoggedFeedbackError, each with file and row."""
    rows = read_arm_table(path)
    try:
        log = arm_log_from_rows(rows, versions)
    except LoggedFeedbackError as error:
        raise LoggedFeedbackError(f"{path}: {error} Rows are counted from 0, below a header.") from error
    return BanditRounds(log=log, popular=(), about=f"{len(log):,} lists of {path.name}")


def rounds_of_home(
    salt: str | None,
    versions: Sequence[str],
    *,
    within: timedelta,
    event_types: tuple[str, ...],
    as_of: datetime,
) -> BanditRounds:
    """The latest live test that fits what is named; lists whose time for an outcome is over at `as_of`.

    Raises NoLiveTest.
    """
    test = _fitting(salt, versions)
    shown = settled_exposures(test, within=within, as_of=as_of)
    if not shown:
        raise NoLiveTest(
            f"no list of live test {test.salt} is older than {within} at {as_of:%Y-%m-%d %H:%M}Z, so what came of "
            "them is open yet. Wait, or let outcomes count for a shorter time with --within-days."
        )
    popular = most_popular(warehouse(), before=test.begin, limit=NUM_POPULAR)
    users = list(dict.fromkeys(one.user_id for one in shown))
    every = outcomes_of(test, within=within, event_types=()).events
    counted = every[every["event_type"].isin(event_types)] if event_types else every
    rows = arm_rounds(
        shown,
        user_figures(warehouse(), users, popular=popular, before=test.begin),
        every,
        outcomes=counted["event_id"],
        popular=popular,
        within=within,
    )
    about = f"{len(rows):,} lists of live test {test.salt}, versions {test.champion} and {test.challenger}"
    return BanditRounds(
        log=arm_log_from_rows(rows, (test.champion, test.challenger)),
        popular=popular,
        about=about,
        doubt=_doubt(test),
    )


def _doubt(test: LiveTest) -> str:
    """Users whom an earlier test dealt by the same salt are what its versions made of them."""
    before = [one for one in all_tests() if one.salt == test.salt and one.share and one.begin < test.begin]
    if not before:
        return ""
    versions = ", ".join(f"{one.champion} and {one.challenger}" for one in before)
    return (
        f"salt {test.salt} dealt these users before, among versions {versions}: what came of that counts as the users' "
        "own here. Set RECLOOP_TRIAL_SALT to another word before a new test."
    )


def _fitting(salt: str | None, versions: Sequence[str]) -> LiveTest:
    found = [test for test in all_tests() if 0 < test.share < 1]
    if not found:
        raise NoLiveTest(
            "no live test dealt users between two versions. Serve a second one with `recloop serve --challenger "
            "challenger --share 0.1`."
        )
    fitting = [
        test
        for test in found
        if salt in (None, test.salt) and (not versions or {test.champion, test.challenger} == set(versions))
    ]
    if not fitting:
        there = "; ".join(
            f"salt {test.salt}, versions {test.champion},{test.challenger}, share {test.share:g}"
            for test in found
        )
        raise NoLiveTest(
            f"no live test is like that. There are: {there}. `recloop experiment list` shows them."
        )
    return fitting[-1]


def learn_and_judge(
    rounds: BanditRounds, versions: Sequence[str], *, profile: str, learn_share: float, explore: float
) -> ToldBandit:
    """Learn from the first rounds, judge by the later ones. Raises NothingToChoose, LoggedFeedbackError."""
    arms = tuple(versions) or rounds.log.arms
    if len(arms) < 2:
        raise NothingToChoose(
            f"the log knows version {', '.join(rounds.log.arms)} alone: a bandit chooses between two or more. "
            "Write the lists of a second one into the file."
        )
    first, later = split_in_time(rounds.log, learn_share)
    rules = replace(PROFILES[profile](), estimator="dr")  # pi_e and a reward model are both there
    result = judge_bandit(first, later, arms, rules, explore=explore)
    policy, outcome = learn(first, arms, explore=explore), str(result.verdict.outcome)
    return ToldBandit(
        result=result, saved=SavedPolicy(policy=policy, popular=rounds.popular, outcome=outcome)
    )
