"""The second pass for cold items: an item joins the candidates, of all arms alike, once its content is known.

In the first pass the candidates are fixed at T. An item that appears later, without any training event, can
only be found from its content, by an arm that was given its vector or its semantic ID; an arm without one
cannot return it, and scores 0. Only requests that such an item answers are asked again.
Shapes: N requests of the pass, I items, k places.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from components.evaluation.canonical import canonical_lists, check_lists
from components.evaluation.plan import ReplayPlan
from components.evaluation.ranking import Relevant

NEVER, ALWAYS = np.iinfo(np.int64).max, np.iinfo(np.int64).min
_PLACES_FOR_LATER_ITEMS = 200


@dataclass(frozen=True, kw_only=True)
class ColdPass:
    """Requests that a cold item answers whose content was known strictly before them."""

    requests: Int[np.ndarray, "N"]  # positions in the plan
    joins_at: Int[np.ndarray, "I"]  # epoch seconds; ALWAYS for candidates at T, NEVER without content
    candidates: Bool[np.ndarray, "I"]  # whoever has joined by the end: what the arms may return
    relevant: Relevant  # of the N requests: cold items alone

    def of_all(self, plan: ReplayPlan) -> ColdPass:
        """The same items in every request of the plan, whatever it is answered by."""
        return replace(self, requests=np.arange(len(plan)), relevant=plan.relevant)

    def list_length(self, k: int) -> int:
        """Places to ask for, so that k are left when items that join after a request are dropped from it.

        With more than 200 later items a list may fall short of k where most of its places went to them.
        """
        later = int((self.joins_at[self.candidates] > ALWAYS).sum())
        return k + min(later, _PLACES_FOR_LATER_ITEMS)

    def canonical(self, plan: ReplayPlan, lists: Int[np.ndarray, "N k"]) -> Int[np.ndarray, "N k"]:
        """The lists as they are judged: joined before the request, nothing twice, nothing seen if filtered."""
        check_lists(lists, len(plan.catalogue))
        joins_at = self.joins_at[np.maximum(lists, 0)]
        allowed = (lists < 0) | (joins_at < plan.request_time[self.requests][:, None])
        if plan.filter_seen:
            allowed &= ~plan.seen(lists, self.requests)
        return canonical_lists(lists, num_items=len(plan.catalogue), allowed=allowed)


def plan_cold(plan: ReplayPlan, known_items: pd.DataFrame) -> ColdPass | None:
    """The pass over the items of `known_items` (item_id, available_at: when its content was known, UTC or null).

    A first event makes no content known before it: an item that is available since its own first event joins
    after that. None where no request is answered by a cold item.
    """
    joins_at = np.full(len(plan.catalogue), NEVER)
    dated = known_items[known_items["available_at"].notna()]
    at = pd.Index(plan.catalogue).get_indexer(dated["item_id"])
    seconds = dated["available_at"].dt.as_unit("s").astype("int64").to_numpy()
    joins_at[at[at >= 0]] = seconds[at >= 0]
    joins_at[plan.candidates] = ALWAYS  # after the dates: a candidate at T was there, whatever its date says
    request = np.repeat(np.arange(len(plan)), np.diff(plan.truth_offsets))
    # strictly before: a first event makes no content known before it
    is_cold = plan.item_train_events[plan.truth_items] == 0
    counted = is_cold & (joins_at[plan.truth_items] < plan.request_time[request])
    requests, sizes = np.unique(request[counted], return_counts=True)
    if not len(requests):
        return None
    return ColdPass(
        requests=requests,
        joins_at=joins_at,
        candidates=joins_at < plan.request_time[requests].max(),
        relevant=Relevant(offsets=np.concatenate([[0], np.cumsum(sizes)]), items=plan.truth_items[counted]),
    )
