"""Why a bundle would show an item: what the item's score is without each thing that the user did.

Leave one out (occlusion): the weight of a history item is the item's score with the whole history minus its score
without that item's events, everything else kept. All the histories are asked in one call of the arm, so every
weight is the served arm's own. Weights need not add up to what the whole history is worth, since items act
together: what is left over is told. They are exact for a linear arm (EASE), whose items do not.

Source: Zeiler & Fergus 2014 (occlusion); Covert et al. 2021, arXiv:2011.14878 (removal, and what it leaves open).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from components.recommender.arm import Histories
from components.registry.bundle import Bundle
from components.serving.loaded import History
from components.serving.scorer import Scorer

PLACES = 10  # of a list that is shown
_NEAREST = 3


class NotExplainable(Exception):
    """There is no score to explain: the item or all of the history is not known, or never returned; says why."""


@dataclass(frozen=True, kw_only=True)
class SharedCodes:
    """Where two semantic IDs agree; the collision token, which says nothing of an item, is left out."""

    levels: tuple[int, ...]  # from 1, coarse to fine: those whose codes are the same
    prefix: int  # so many levels agree before the first that does not
    num_levels: int


@dataclass(frozen=True, kw_only=True)
class Influence:
    """One item of the history, all of its events together."""

    item_id: str
    title: str
    positions: tuple[int, ...]  # from 1, oldest first
    without: float  # the asked item's score if the user had never had this one
    weight: float  # score minus `without`; above 0: it speaks for the item
    is_known: bool  # to the version; a stranger weighs what its place in the history does
    shared: SharedCodes | None  # None: one of the two has no semantic ID


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The score of one item for one history, and what it comes from. Influences: heaviest first."""

    item_id: str
    title: str
    arm: str
    score: float
    rank: int  # by score among all items that may be listed; with seen items kept if the item is seen
    num_ranked: int
    listed_at: int | None  # place in a list of PLACES as it is served; None: not in it
    is_seen: bool  # the history holds it, and lists leave such items out
    influences: tuple[Influence, ...]
    empty_score: float  # of an empty history
    codes: tuple[int, ...] | None  # semantic ID, collision token last; None: the arm has none
    sharing: tuple[int, ...]  # of each prefix of 1, 2, … levels: items that have it, this one included

    @property
    def of_history(self) -> float:
        """What the whole history is worth: the score less that of an empty history."""
        return self.score - self.empty_score

    @property
    def left_over(self) -> float:
        """What the weights do not add up to: items that act together, or stand in for one another."""
        return self.of_history - sum(found.weight for found in self.influences)


def explain(scorer: Scorer, item_id: str, history: History, *, excludes_seen: bool = True) -> Explanation:
    """Why `item_id` has the score that it has for this history, by leaving out each of its items in turn.

    `excludes_seen` is how lists of this version are served. Raises NotExplainable for an item that the bundle does
    not know, one that the arm never returns (no semantic ID, no training event), and a history of strangers only.
    """
    _check_known(scorer, item_id, history)
    had = list(dict.fromkeys(history.item_ids))
    asked = [history, History(), *(_without(history, left_out) for left_out in had)]
    scores = _scores_of(scorer, item_id, asked)
    if not np.isfinite(scores[0]):
        raise NotExplainable(_never_returned(scorer, item_id))
    is_seen = excludes_seen and item_id in had
    ranking = _ranking(scorer, history, excludes_seen=excludes_seen and not is_seen)
    listed = scorer.recommend(_frame([history]), k=PLACES, exclude_seen=excludes_seen)["item_id"].tolist()
    codes = _codes_of(scorer.bundle)
    return Explanation(
        item_id=item_id,
        title=scorer.titles[item_id] or item_id,
        arm=scorer.arm.name,
        score=float(scores[0]),
        rank=ranking.index(item_id) + 1,
        num_ranked=len(ranking),
        listed_at=listed.index(item_id) + 1 if item_id in listed else None,
        is_seen=is_seen,
        influences=_influences(scorer, item_id, history, had, scores, codes),
        empty_score=float(scores[1]),
        codes=codes.get(item_id),
        sharing=_sharing(codes, item_id),
    )


def nearest(asked: str, titles: Mapping[str, str]) -> str:
    """A sentence that names the items whose id or title is most like what was asked for; "" without any."""
    wanted = asked.casefold()
    by_title = {title.casefold(): item for item, title in titles.items() if title}
    found = [item for title, item in by_title.items() if wanted and wanted in title]
    found += [by_title[title] for title in difflib.get_close_matches(wanted, by_title, n=_NEAREST)]
    found += difflib.get_close_matches(asked, sorted(titles), n=_NEAREST, cutoff=0.0)
    named = [f"{item} ({titles[item]})" if titles[item] else item for item in dict.fromkeys(found)]
    return f"Nearest: {', '.join(named[:_NEAREST])}. " if named else ""


def _check_known(scorer: Scorer, item_id: str, history: History) -> None:
    if item_id not in scorer.titles:
        raise NotExplainable(
            f"this version does not know item {item_id!r}: it is not in the catalogue of {len(scorer.titles):,} items "
            f"that was known when training ended ({scorer.bundle.facts.train_end}). {nearest(item_id, scorer.titles)}"
            "An item that came later can be listed once `recloop retrain` has trained on it."
        )
    if history.item_ids and not set(history.item_ids) & scorer.titles.keys():
        first = history.item_ids[0]
        raise NotExplainable(
            f"this version knows none of the history's {len(history.item_ids)} items; the first is {first!r}. "
            f"{nearest(first, scorer.titles)}Give ids as they stand in the source."
        )


def _never_returned(scorer: Scorer, item_id: str) -> str:
    name = f"item {item_id!r} ({scorer.titles[item_id] or item_id})"
    if scorer.bundle.facts.tokenizer is not None and scorer.bundle.semantic_id(item_id) is None:
        return (
            f"{name} is cold: it is in the catalogue and has no semantic ID, so {scorer.arm.name} never lists it. The "
            "next `recloop retrain` gives it one, once it has a description, an image or events before the cut."
        )
    return (
        f"{name} has no training event before {scorer.bundle.facts.train_end}, so {scorer.arm.name} has no score for "
        "it and never lists it. The next `recloop retrain` trains on what came since."
    )


def _without(history: History, item_id: str) -> History:
    kept = [at for at, item in enumerate(history.item_ids) if item != item_id]
    return History(item_ids=[history.item_ids[at] for at in kept], times=[history.times[at] for at in kept])


def _frame(histories: Sequence[History]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_id": [""] * len(histories),
            "item_ids": [list(history.item_ids) for history in histories],
            "times": [list(history.times) for history in histories],
        }
    )


def _scores_of(scorer: Scorer, item_id: str, histories: Sequence[History]) -> Float[np.ndarray, "asked"]:
    """The item's score for each history, in one call; -inf where the arm never returns it. Seen does not count."""
    asked: Histories = scorer.histories(_frame(histories))
    only = asked.catalogue == item_id
    return scorer.arm.recommend(asked, k=1, candidates=only, exclude_seen=False).scores[:, 0].astype(float)


def _ranking(scorer: Scorer, history: History, *, excludes_seen: bool) -> list[str]:
    """All items that the arm scores, best first: as wide a search as there are items, so none is passed over."""
    asked = scorer.histories(_frame([history]))
    (items,) = scorer.arm.recommend(asked, k=len(scorer.item_ids), exclude_seen=excludes_seen).items
    return [str(asked.catalogue[at]) for at in items if at >= 0]


def _influences(
    scorer: Scorer,
    item_id: str,
    history: History,
    had: Sequence[str],
    scores: Float[np.ndarray, "asked"],
    codes: Mapping[str, tuple[int, ...]],
) -> tuple[Influence, ...]:
    found = [
        Influence(
            item_id=item,
            title=scorer.titles.get(item) or item,
            positions=tuple(at + 1 for at, other in enumerate(history.item_ids) if other == item),
            without=float(without),
            weight=float(scores[0] - without),
            is_known=item in scorer.titles,
            shared=_shared(codes.get(item_id), codes.get(item)),
        )
        for item, without in zip(had, scores[2:], strict=True)
    ]
    return tuple(sorted(found, key=lambda influence: (-influence.weight, influence.positions)))


def _codes_of(bundle: Bundle) -> dict[str, tuple[int, ...]]:
    """Item → semantic ID; empty for an arm without."""
    table = bundle.semantic_ids()
    if table is None:
        return {}
    rows: Int[np.ndarray, "item token"] = table.to_numpy()
    return {str(item): tuple(map(int, row)) for item, row in zip(table.index, rows, strict=True)}


def _shared(one: tuple[int, ...] | None, other: tuple[int, ...] | None) -> SharedCodes | None:
    if one is None or other is None:
        return None
    same = [a == b for a, b in zip(one[:-1], other[:-1], strict=True)]
    return SharedCodes(
        levels=tuple(level for level, agrees in enumerate(same, start=1) if agrees),
        prefix=[*same, False].index(False),
        num_levels=len(same),
    )


def _sharing(codes: Mapping[str, tuple[int, ...]], item_id: str) -> tuple[int, ...]:
    own = codes.get(item_id)
    if own is None:
        return ()
    others: Collection[tuple[int, ...]] = codes.values()
    return tuple(sum(other[:depth] == own[:depth] for other in others) for depth in range(1, len(own)))
