"""Looking more than once: the running mean with its anytime-valid interval, as users come in."""

from __future__ import annotations

import numpy as np

from components.evaluation.sequential import SequentialPath
from components.measures import name_of
from components.report.curve import Band, Line, curves
from components.report.figure import Mark, figure
from components.report.templates import Markup, note
from components.report.text import number, span

_NAMES = {"normal_mixture": "normal mixture", "empirical_bernstein": "empirical Bernstein"}


def sequential_path(path: SequentialPath, *, order: str = "in hash order") -> Markup:
    """The path and its boundary; looks before the first that counts are not drawn. `order` is that of the users."""
    n, mean = np.array(path.n), np.array(path.mean)
    lower, upper = np.array(path.lower), np.array(path.upper)
    knows = (lower > -1) | (upper < 1)  # [-1, 1] is no knowledge
    if not knows.any():
        return note(
            f"With {path.users:,} users no look counts yet: the first is at {path.n_min:,}, since the boundary "
            "rests on an estimated spread."
        )
    decided = (
        f"From {path.decided_at:,} users on the interval leaves out 0"
        if path.decided_at is not None
        else f"After {path.users:,} users the interval still holds 0"
    )
    role = (
        "It is this profile's test."
        if path.decides
        else "It is told beside the gate's test, which looks once."
    )
    now = f"{number(mean[-1], '+.4f')} {span(lower[-1], upper[-1])}"
    # by what is drawn: the first looks' wide bounds would flatten all the rest
    reach = 1.1 * float(np.max(np.abs([lower[knows], upper[knows], mean[knows]])))
    metric = name_of(path.metric)
    marked = [] if path.decided_at is None else [Mark(at=path.decided_at, name="decided", color="ink")]
    return figure(
        curves(
            [
                Line(
                    name="no difference", x=n[[0, -1]], y=np.zeros(2), color="soft", width=1, is_named=False
                ),
                Line(name="mean difference", x=n[knows], y=mean[knows]),
            ],
            band=Band(x=n[knows], lower=lower[knows], upper=upper[knows]),
            x={"title": {"text": f"users so far, {order}"}, "range": [0, 1.01 * path.users]},
            y={"title": {"text": f"difference in {metric}"}, "range": [-reach, reach]},
            told=f"Sequential path of {metric}. {decided}. Last look: {now}.",
            caption=f"{metric}, {path.challenger} minus {path.baseline}, as users come in, with an interval that "
            f"holds at every look ({_NAMES.get(path.method, path.method)}, two-sided at {path.alpha:.3g}, looks "
            f"from {path.n_min:,} users on). {decided}; at the last look {now}. {role}",
            marked=marked,
        )
    )
