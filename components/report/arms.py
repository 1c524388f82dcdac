"""Every arm on every metric: mean over users with its interval, and what its lists are like."""

from __future__ import annotations

from components.evaluation.result import ReplayResult
from components.measures import meaning_of, name_of
from components.report.table import Cell, Column, figure_of, table, word
from components.report.templates import Markup
from components.report.text import level, number


def arm_tables(result: ReplayResult) -> Markup:
    """Two tables: agreement with what users did, and the lists themselves."""
    return _means(result) + _lists(result)


def role(result: ReplayResult, arm: str) -> str:
    """What part an arm plays in this replay, "" for one that only stands beside."""
    if arm == result.challenger:
        return "challenger"
    if arm == result.champion:
        return "champion"
    return "must be beaten" if arm in result.profile.must_beat else ""


def _means(result: ReplayResult) -> Markup:
    metrics = list(dict.fromkeys(figure.metric for figure in result.arms))
    found = {(figure.arm, figure.metric): figure for figure in result.arms}
    rows = []
    for arm in dict.fromkeys(figure.arm for figure in result.arms):
        cells = [word(arm, role(result, arm))]
        for metric in metrics:
            mean = found[arm, metric]
            bounds = f"{number(mean.lower)} – {number(mean.upper)}"
            cells.append(figure_of(mean.mean, note=bounds))
        rows.append(cells)
    alpha = result.profile.primary.alpha_one_sided
    return table(
        f"Agreement of each arm's lists with what users did: mean over users, its {level(alpha)} "
        "interval beneath. Intervals of two arms may overlap where their paired difference is clear.",
        [Column(name="Arm", is_number=False), *(_column(metric) for metric in metrics)],
        rows,
    )


def _lists(result: ReplayResult) -> Markup:
    """A row a figure: there are many, and each needs its meaning."""
    arms = [
        arm
        for arm in dict.fromkeys([*(mean.arm for mean in result.arms), *sorted(result.list_figures)])
        if arm in result.list_figures
    ]
    rows: list[list[Cell]] = [
        [
            word(name_of(name), meaning_of(name)),
            *(figure_of(result.list_figures[arm][name], _form(name)) for arm in arms),
        ]
        for name in next(iter(result.list_figures.values()), {})
    ]
    dropped = [figure_of(result.dropped_places.get(arm, 0), ",d") for arm in arms]
    rows.append([word("Places dropped", "of whole lists: repeated, already seen, or no candidate"), *dropped])
    return table(
        "What the first ten places of the lists are like.",
        [Column(name="Figure", is_number=False), *(Column(name=a, meaning=role(result, a)) for a in arms)],
        rows,
    )


def _form(name: str) -> str:
    return ",.0f" if name.startswith("popularity@") else ".3f"


def _column(metric: str) -> Column:
    return Column(name=name_of(metric), meaning=meaning_of(metric))
