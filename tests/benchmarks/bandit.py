"""A bandit over two arms of MovieLens-100K, on logs made by replay, where the value of every policy is known.

Arms are trained before the cut. Every request after it gets one arm's list, drawn evenly; the reward is whether the ten
hold what the user took next. That is agreement with the past under another recommender, and no click; but since both
arms' lists are known, so is the true value of whatever a policy would have dealt.

    python -m tests.benchmarks.bandit
    python -m tests.benchmarks.bandit --arms ease,recent_popularity --draws 20
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from components.bandit.arm_log import ArmLog, split_in_time
from components.bandit.arm_policy import learn
from components.bandit.judging import judge_bandit
from components.bandit.user_context import CONTEXT, user_context
from components.bandit.verdict import deciding
from components.evaluation.counterfactual.profile import small
from tests.benchmarks.datasets import wheels_folder
from tests.benchmarks.movielens_replay import MovieLensReplay, open_replay
from tests.benchmarks.surroundings import results_folder

PLACES = 10
NUM_POPULAR = 100
RULES = replace(small(), estimator="dr")


def hits(replay: MovieLensReplay, name: str) -> Bool[np.ndarray, "R"]:
    """Whether the arm's first ten hold something of each request's truth."""
    plan, lists = replay.plan, replay.lists(replay.arms[name])[:, :PLACES]
    size = len(plan.catalogue)
    request = np.repeat(np.arange(len(plan)), np.diff(plan.truth_offsets))
    true = request * size + plan.truth_items
    listed = np.arange(len(plan))[:, None] * size + lists
    return np.isin(listed, true).any(axis=1)


def contexts(replay: MovieLensReplay) -> Float[np.ndarray, "R 3"]:
    """Of all events before the request: each request draws its arm anew, so none of them may come of that draw."""
    plan = replay.plan
    is_popular = np.zeros(len(plan.catalogue), dtype=bool)
    is_popular[np.argsort(-plan.item_train_events, kind="stable")[:NUM_POPULAR]] = True
    so_far = np.concatenate([[0], is_popular[plan.items].cumsum()])
    last = plan.times[np.maximum(plan.end - 1, 0)]
    days = np.where(plan.end > plan.start, (plan.request_time - last) / 86_400, np.nan)
    return user_context(
        (plan.end - plan.start).astype(float), (so_far[plan.end] - so_far[plan.start]).astype(float), days
    )


def draw(
    replay: MovieLensReplay, arms: tuple[str, ...], hit: Bool[np.ndarray, "R A"], seed: int
) -> tuple[ArmLog, Float[np.ndarray, "R A"]]:
    """A log in the order of time, each arm drawn evenly, and what every arm would have brought there."""
    plan = replay.plan
    order = np.argsort(plan.request_time, kind="stable")
    arm = np.random.default_rng(seed).integers(0, len(arms), len(plan))
    log = ArmLog(
        context=contexts(replay)[order], context_names=CONTEXT, arm=arm, arms=arms,
        reward=hit[order, arm].astype(float), propensity=np.full(len(plan), 1 / len(arms)),
        cluster=np.unique(plan.user[order], return_inverse=True)[1],
    )  # fmt: skip
    return log, hit[order].astype(float)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    asked.add_argument("--arms", default="ease,recent_popularity")
    asked.add_argument("--draws", type=int, default=20)
    options = asked.parse_args()
    arms = tuple(options.arms.split(","))
    replay = open_replay(wheels_folder(results_folder() / "sources"))
    hit = np.column_stack([hits(replay, name) for name in arms])
    found = []
    for seed in range(options.draws):
        log, every = draw(replay, arms, hit, seed)
        first, later = split_in_time(log, 0.5)
        policy = learn(first, arms)
        result = judge_bandit(first, later, arms, RULES, explore=0.05)
        true = every[-len(later) :]
        dealt = float((policy.probabilities(later.context) * true).sum(axis=1).mean())
        bandit = deciding(result.policies[0].estimates, RULES)
        found.append(
            {
                "verdict": str(result.verdict.outcome),
                "true": dealt,
                "estimated": bandit.value,
                "covered": bandit.lower <= dealt <= bandit.upper,
                "true_minus_best": dealt - float(true.mean(axis=0).max()),
            }
        )
    told = {
        "arms": dict(zip(arms, true.mean(axis=0).tolist(), strict=True)),
        "either": float(true.max(axis=1).mean()),
        "requests": len(log),
        "judged": len(later),
        "users": len(np.unique(later.cluster)),
        "verdicts": dict(Counter(one["verdict"] for one in found)),
        **{
            name: float(np.mean([one[name] for one in found]))
            for name in ("true", "estimated", "covered", "true_minus_best")
        },
        "reasons_of_the_last": result.verdict.reasons,
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
