"""What a share of the places for new items brings and costs: the challenger against itself without the share.

New is a candidate without an event before the cut, as in the slice of cold items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.evaluation.cold import ColdPass
from components.evaluation.comparison import Comparison, Pairing, compare_pairs
from components.evaluation.contenders import WITHOUT_SHARE
from components.evaluation.plan import ReplayPlan
from components.evaluation.ranking import mean_per_group, rank_metrics
from components.evaluation.scores import RECALL, ReplayScores, canonical_for
from components.evaluation.slices import COLD_ITEMS, Slice
from components.evaluation.trial import ArmLists, Trial

_NDCG, _PLACES = "ndcg@10", 10


@dataclass(frozen=True, kw_only=True)
class NewItemEffect:
    """Of all lists, with new items as they come where there is a pass for cold ones, else with those of the cut.

    Shares are of the first ten places; recall is a mean over the users who took a new item.
    """

    places: float
    places_without: float
    users: int
    recall: float  # recall@10 of new items among all candidates; NaN where nobody took one
    recall_without: float
    others: Comparison  # NDCG@10 of the items that are not new, with minus without

    @property
    def told(self) -> tuple[str, str]:
        """Two lines for a reader."""
        recall = (
            f"recall@10 {self.recall:.3f} ({self.recall_without:.3f})" if self.users else "nobody took one"
        )
        cost = self.others
        return (
            f"{self.places:.1%} of places ({self.places_without:.1%} without the share); {recall}",
            f"NDCG@10 of other items {cost.delta:+.4f} [{cost.lower:+.4f}, {cost.upper:+.4f}]",
        )


def new_item_effect(
    plan: ReplayPlan,
    arms: Sequence[ArmLists],
    scores: ReplayScores,
    trial: Trial,
    cold: ColdPass | None = None,
) -> NewItemEffect | None:
    """None where WITHOUT_SHARE is not among the arms; `scores` are of these arms, `cold` their second pass."""
    asked = {arm.name: arm for arm in arms}
    if WITHOUT_SHARE not in asked:
        return None
    is_new = plan.item_train_events == 0
    others = Slice(name="other_items", users=np.ones(len(plan.users), dtype=bool), items=~is_new).relevant(
        plan
    )
    places, values, recall = {}, {}, {}
    for arm in (trial.challenger, WITHOUT_SHARE):
        joined = asked[arm].joined_lists
        if cold is None or joined is None:
            judged = canonical_for(plan, asked[arm].lists)
        else:
            judged = cold.of_all(plan).canonical(plan, joined)
        top = judged[:, :_PLACES]
        places[arm] = float(is_new[top[top >= 0]].mean()) if (top >= 0).any() else 0.0
        gains = rank_metrics(judged, others, [_NDCG], num_items=len(plan.catalogue))[_NDCG]
        values[arm] = mean_per_group(gains, plan.user, len(plan.users))
        found = scores.of(arm, RECALL, COLD_ITEMS)
        recall[arm] = found[~np.isnan(found)]
    primary, users = trial.profile.primary, len(recall[WITHOUT_SHARE])
    (cost,) = compare_pairs(
        [
            Pairing(
                challenger=trial.challenger,
                baseline=WITHOUT_SHARE,
                metric=_NDCG,
                slice="other_items",
                challenger_values=values[trial.challenger],
                baseline_values=values[WITHOUT_SHARE],
            )
        ],
        alpha_one_sided=trial.alpha_one_sided,
        resamples=primary.resamples,
        seed=primary.seed,
        kind=primary.interval,
        power=primary.power,
        permutations=0,
    )
    mean = {arm: float(found.mean()) if users else np.nan for arm, found in recall.items()}
    return NewItemEffect(
        places=places[trial.challenger],
        places_without=places[WITHOUT_SHARE],
        users=users,
        recall=mean[trial.challenger],
        recall_without=mean[WITHOUT_SHARE],
        others=cost,
    )
