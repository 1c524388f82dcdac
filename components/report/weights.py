"""Where an estimate's weight lies: rounds by their weight, and the share of all weight that they carry."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from components.report.figure import Mark, figure
from components.report.histogram import histogram
from components.report.templates import Markup, note
from components.report.text import number, share

_BINS = 36


def weight_figures(weight: Float[np.ndarray, "N"], ess: float) -> Markup:
    """Two histograms on one logarithmic axis; rounds of weight 0 are told in words."""
    positive = weight[weight > 0]
    if not len(positive):
        return note("No logged action is one that the target policy would take.")
    exponents = np.log10(positive)
    # out to whole quarters of a decade, so that no round lies beyond an edge
    low, high = math.floor(exponents.min() * 4) / 4, math.ceil(exponents.max() * 4) / 4
    edges = np.linspace(low, max(high, low + 0.5), _BINS + 1)
    rounds, _ = np.histogram(exponents, edges)
    mass, _ = np.histogram(exponents, edges, weights=positive)
    told = _told(weight, positive)
    return _bars(
        rounds,
        edges,
        counted="rounds",
        told=f"Histogram of weights. {told}",
        caption=f"Rounds by weight, on a logarithmic axis. {told} Under the target policy {len(weight):,} rounds "
        f"are worth {ess:,.0f} of equal weight.",
    ) + _bars(
        100 * mass / positive.sum(),
        edges,
        counted="% of all weight",
        told=f"Share of all weight, by weight. {told}",
        caption="The same bars by the weight that they carry: where an estimate really comes from. Bars far to "
        "the right of 1 mean that few rounds speak for many.",
    )


def _told(weight: Float[np.ndarray, "N"], positive: Float[np.ndarray, "n"]) -> str:
    heavy = np.sort(positive)[-max(1, len(positive) // 100) :]
    nothing = len(weight) - len(positive)
    none = f" {nothing:,} rounds have weight 0 and stand in no bar." if nothing else ""
    return (
        f"Weights run from {number(float(positive.min()), '.2g')} to {number(float(positive.max()), ',.4g')}; the "
        f"heaviest hundredth of the rounds carries {share(float(heavy.sum() / positive.sum()))} of all "
        f"weight.{none}"
    )


def _bars(
    heights: np.ndarray, edges: Float[np.ndarray, "bins_plus_1"], *, counted: str, told: str, caption: str
) -> Markup:
    decades = range(math.floor(edges[0]), math.ceil(edges[-1]) + 1)
    axis: dict[str, Any] = {"tickvals": list(decades), "ticktext": [f"{10.0**d:,.6g}" for d in decades]}
    return figure(
        histogram(
            heights,
            edges,
            colors=["accent"] * len(heights),
            axis="weight, pi_e / p_0",
            counted=counted,
            told=told,
            caption=caption,
            marked=[Mark(at=0.0, name="1: both alike")],
            layout={"xaxis": axis},
        )
    )
