"""Checkers of the reference cases on logged propensities."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from components.evaluation.counterfactual import estimators, slates
from components.evaluation.counterfactual.estimators import Terms
from components.evaluation.counterfactual.evaluation import evaluate_logged
from components.evaluation.counterfactual.logged import LoggedFeedback, TargetPolicy
from components.evaluation.counterfactual.profile import small
from components.evaluation.counterfactual.support import describe_support
from components.evaluation.gate import Outcome

Case = dict[str, Any]
SAMPLE = Path(
    os.environ.get("RECLOOP_OPEN_BANDIT")
    or Path(__file__).resolve().parents[3] / "shared" / "data" / "open_bandit_sample"
)


def near(found: Any, expected: Any, tolerance: float) -> None:
    """Equal within `tolerance`; null is NaN, and NaN is equal to nothing else."""
    wanted = np.nan if expected is None else expected
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(wanted, float), rtol=0, atol=tolerance)


def _feedback(case: Case) -> LoggedFeedback:
    """A case's rounds, each with the row of pi_e that is its own."""
    action, policy = np.array(case["action"]), np.array(case["pi_e"], dtype=float)
    rounds = np.arange(len(action))
    return LoggedFeedback(
        action=action,
        position=np.zeros_like(action),
        reward=np.array(case["reward"], dtype=float),
        propensity=np.array(case["pscore"], dtype=float),
        target=policy[rounds, action],
        cluster=rounds,
        actions=np.arange(policy.shape[1]),
        policy=TargetPolicy(probabilities=policy, row=rounds),
    )


def _estimate(name: str, reward: np.ndarray, weight: np.ndarray, q: np.ndarray, value: np.ndarray) -> Terms:
    """The public estimator called `name`, or `name@threshold`."""
    kind, _, threshold = name.partition("@")
    given = {
        "ips": (reward, weight),
        "snips": (reward, weight),
        "clipped_ips": (reward, weight),
        "dm": (value,),
    }.get(kind, (reward, weight, q, value))
    return getattr(estimators, kind)(*given, *([float(threshold)] if threshold else []))


def check_ope(case: Case) -> None:
    feedback, predicted = _feedback(case), np.array(case["q_hat"])
    assert feedback.policy is not None
    q = predicted[np.arange(len(feedback)), feedback.action]
    value = (feedback.policy.normalised * predicted).sum(axis=1)
    for name, expected in case["expected"].items():
        found = _estimate(name, feedback.reward, feedback.weight, q, value).value
        near(found, expected, case["tolerance"])
    _check_diagnostics(feedback, case)


def _check_diagnostics(feedback: LoggedFeedback, case: Case) -> None:
    support = describe_support(feedback, low_propensity_of_uniform=0.01)
    for name, expected in case.get("diagnostics", {}).items():
        near(getattr(support, name), expected, case["tolerance"] * max(1.0, abs(expected)))


def check_edge(case: Case) -> None:
    """Undefined stays undefined, and the gate concludes nothing."""
    feedback = _feedback(case)
    matched = estimators.drawn_matches(feedback.target, seed=0)
    found = {
        "n_matched": matched.sum(),
        "replay": estimators.replay(feedback.reward, matched).value,
        "ips": estimators.ips(feedback.reward, feedback.weight).value,
        "snips": estimators.snips(feedback.reward, feedback.weight).value,
    }
    for name, expected in case["expected"].items():
        near(found[name], expected, case.get("tolerance", 1e-9))
    assert evaluate_logged(feedback, small()).verdict.outcome is Outcome.INVALID


def check_slate(case: Case) -> None:
    slate, place = np.array(case["slate_id"]), np.array(case["position"])
    shape = (case["n_slates"], case["len_list"])

    def by_place(column: str) -> np.ndarray:
        table = np.full(shape, np.nan)
        table[slate, place] = case[column]
        return table

    def weight(of: str) -> np.ndarray:
        return by_place(f"pi_{of}") / by_place(f"pscore_{of}")

    reward, slate_weight = by_place("reward"), weight("slate")[:, 0]
    found = {
        "sips": slates.sips(reward, slate_weight),
        "snsips": slates.snsips(reward, slate_weight),
        "iips": slates.iips(reward, weight("item_position")),
        "rips": slates.rips(reward, weight("cascade")),
    }
    for name, expected in case["expected"].items():
        near(found[name].value, expected, case["tolerance"])


def check_open_bandit(case: Case) -> None:
    table = pd.read_csv(SAMPLE / case["file"], float_precision="round_trip")
    reward, propensity, target, q, value = (
        table[case["columns"][name]].to_numpy(dtype=float)
        for name in ("reward", "propensity", "evaluation_policy_probability", "q_factual", "v_dm")
    )
    assert len(table) == case["n"]
    assert set(table["eval_policy"]) == {case["eval_policy"]}
    weight = target / propensity
    for name, expected in case["expected"].items():
        near(_estimate(name, reward, weight, q, value).value, expected, case["tolerance"])
    actions, action = np.unique(table["item_id"], return_inverse=True)
    feedback = LoggedFeedback(
        action=action,
        position=table["position"].to_numpy(),
        reward=reward,
        propensity=propensity,
        target=target,
        cluster=np.arange(len(table)),
        actions=actions,
    )
    _check_diagnostics(feedback, case)
    _check_on_policy(reward, case)
    if "replay_rejection" in case:
        _check_replay(table, reward, case)


def _check_on_policy(reward: np.ndarray, case: Case) -> None:
    told = case["on_policy"]
    near(reward.mean(), told["log_policy_mean"], case["tolerance"])
    near(reward.sum(), told["log_clicks"], 0)
    wilson = proportion_confint(told["eval_clicks"], told["eval_n"], method="wilson")
    near(wilson, told["eval_wilson95"], case["tolerance"])


def _check_replay(table: pd.DataFrame, reward: np.ndarray, case: Case) -> None:
    """The policy that always shows, at each position, the item that the table likes best."""
    told = case["replay_rejection"]
    policy = pd.read_csv(SAMPLE / told["file_policy"], float_precision="round_trip")
    best = policy.loc[policy.groupby("position")["prob"].idxmax()].set_index("position")["item_id"]
    target = (table["item_id"] == table["position"].map(best)).to_numpy(dtype=float)
    matched = estimators.drawn_matches(target, seed=0)
    assert matched.sum() == told["n_match"]
    near(estimators.replay(reward, matched).value, told["value"], case["tolerance"])


OFF_POLICY_CHECKERS = {
    "ope": check_ope,
    "ope_edge": check_edge,
    "ope_slate": check_slate,
    "ope_open_bandit": check_open_bandit,
}
