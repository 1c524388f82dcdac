"""What the share of places for new items brought, and what it cost the others."""

from __future__ import annotations

from components.evaluation.new_items import NewItemEffect
from components.report.table import Cell, Column, figure_of, table, word
from components.report.templates import Markup
from components.report.text import number, span


def new_item_table(effect: NewItemEffect) -> Markup:
    """The challenger with the share and without it, and the paired difference on the items that are not new."""
    others = effect.others
    rows = [
        [word("with the share"), *_figures(effect.places, effect.recall, others.challenger_mean)],
        [word("without it"), *_figures(effect.places_without, effect.recall_without, others.baseline_mean)],
    ]
    columns = [
        Column(name="Challenger", is_number=False),
        Column(name="Places", meaning="share of the first ten of all lists that new items have"),
        Column(
            name="Recall@10 of new items", meaning=f"among all candidates; {effect.users:,} users took one"
        ),
        Column(name="NDCG@10 of the others", meaning=f"{others.n:,} users"),
    ]
    return table(
        "New items, which have no event before the cut, get a share of the places. What that costs the others is "
        f"{number(others.delta, '+.4f')} {span(others.lower, others.upper)}, user by user.",
        columns,
        rows,
    )


def _figures(places: float, recall: float, ndcg: float) -> list[Cell]:
    return [figure_of(places), figure_of(recall), figure_of(ndcg)]
