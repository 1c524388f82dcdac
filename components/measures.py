"""Names and meanings of the figures that a replay reports, in words for a reader who meets them here first."""

from __future__ import annotations

_NAMES = {"ndcg": "NDCG", "recall": "Recall", "hr": "Hit\u00a0rate", "mrr": "MRR", "precision": "Precision"}
_NAMES |= {"map_trec": "MAP", "map_min": "MAP (min)", "gini": "Gini", "intra_list_distance": "Diversity"}
MEANINGS = {
    "ndcg": "hits in the first {k}, weighted by rank; 1 is the best order",
    "recall": "share of what the user did that stands in the first {k}",
    "hr": "share of lists with a hit in the first {k}",
    "mrr": "1 over the rank of the first hit within {k}, else 0",
    "precision": "share of the first {k} places that are hits",
    "map_trec": "mean precision at the ranks of the hits, over all relevant",
    "map_min": "mean precision at the ranks of the hits, over at most {k}",
    "coverage": "share of the candidates that some list holds",
    "gini": "concentration of places over candidates: 0 even, 1 all on one",
    "novelty": "−log2 share of users who had the item; rarer is higher",
    "popularity": "train events of the items shown, mean",
    "popularity_over_history": "the same over that of the user's own history; above 1: more popular",
    "recall_head_items": "share found of the positives among the most popular items",
    "recall_mid_items": "share found of the positives among the next items",
    "recall_tail_items": "share found of the positives among the rarest items",
    "intra_list_distance": "features in which two items of a list differ, mean",
    "calibration": "divergence of a list's mix of features from the history's, nats; 0 is alike",
}
_SLICES = {
    "all": "every user",
    "cold_users": "few events before the cut",
    "head_items": "positives among the most popular items, a third of all train events",
    "mid_items": "positives among the next items, the middle third",
    "tail_items": "positives among the rarest items, the last third",
    "cold_items": "positives on items without a train event",
    "repeat": "positives that the user had before",
    "novel": "positives that are new to the user",
}


def name_of(metric: str) -> str:
    """ndcg@10 as NDCG@10."""
    stem, _, at = metric.partition("@")
    shown = _NAMES.get(stem, stem.replace("_", " ").capitalize())
    return f"{shown}@{at}" if at else shown


def meaning_of(metric: str) -> str:
    """One line, or nothing for a figure that is not known here."""
    stem, _, at = metric.partition("@")
    return MEANINGS.get(stem, "").format(k=at)


def slice_name(name: str) -> str:
    return name.replace("_", " ")


def slice_meaning(name: str) -> str:
    return _SLICES.get(name, "")
