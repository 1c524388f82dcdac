"""Where an item starts in taste space: who used it, and where nobody did, what its content suggests.

Shapes: factor = the leading directions of the smoothed user-item matrix, popularity left out.

Source: spectral embedding of a bipartite graph with smoothed degrees (Chaudhuri et al. 2012; Qin & Rohe
2013, arXiv:1309.4111), by the randomized subspace iteration of Halko, Martinsson & Tropp 2011, algorithm
4.4; the map from content to factors after Gantner et al. 2010 (attribute-to-factor mapping), by ridge
regression with the penalty chosen by generalized cross-validation (Golub, Heath & Wahba 1979).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from components.spectrum import SPARE_DIRECTIONS, oriented, subspace_spectrum
from components.tokenizer.graph import Graph


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What events say of an item: the mean of its users' vectors times confidence, and confidence itself."""

    factors: Float[Tensor, "item factor"]
    confidence: Float[Tensor, "item"]  # d/(d + τ) for d events; 0 without any


@dataclass(frozen=True, kw_only=True)
class TasteSpace:
    """The directions that the fit found, as far as placing another item in them needs them."""

    smoothing: float  # τ, added to every degree
    gain: Float[Tensor, "factor"]  # 1/singular value squared: undoes the two smoothed averages of `fold_in`
    drift: Float[Tensor, "factor"]  # what every item's users have in common; taken out
    prior: Float[Tensor, "content factor"]  # content → factors


def fit_taste_space(
    graph: Graph,
    content: Float[Tensor, "item content"],
    dim: int,
    smoothing: float,
    generator: torch.Generator,
) -> tuple[TasteSpace, Evidence]:
    """Right singular vectors of (Du+τ)^-½ A (Di+τ)^-½ times singular value over √(Di+τ).

    Popularity, the direction (Di+τ)^-½ Aᵀ1 that would come first, is projected out: it says nothing about
    who. An item with few events stays near zero. Scaled to a mean squared length of `dim` over items with
    events. Directions that the graph does not have are zero; all are without edges. Users of a single item
    are left out: each would be a direction of its own that says nothing about any other item.
    """
    graph = _of_more_than_one_item(graph)
    nothing = TasteSpace(
        smoothing=smoothing,
        gain=torch.zeros(dim),
        drift=torch.zeros(dim),
        prior=torch.zeros(content.shape[1], dim),
    )
    degree = graph.item_degree()
    evidence = Evidence(
        factors=torch.zeros(graph.num_items, dim), confidence=degree / (degree + max(smoothing, 1e-6))
    )
    rank = min(dim, graph.num_users, graph.num_items - 1)
    users, items = graph.by_user
    if not len(users) or rank < 1:
        return nothing, evidence
    per_item = (degree + smoothing).clamp_min(1e-6).rsqrt()
    per_user = (graph.user_degree() + smoothing).clamp_min(1e-6).rsqrt()
    to_users, to_items = graph.operators(per_user[users] * per_item[items])
    popular = (degree * per_item).unsqueeze(1)
    popular_length = popular.norm()
    popular = popular / popular_length

    def without_popularity(x: Tensor) -> Tensor:
        return x - popular @ (popular.T @ x)

    width = min(rank + SPARE_DIRECTIONS, graph.num_users, graph.num_items - 1)
    start = torch.randn(graph.num_items, width, generator=generator)
    spectrum = subspace_spectrum(to_users, to_items, rank, start, without=without_popularity)
    right, strength = oriented(spectrum.directions), spectrum.strength
    found = right * strength * per_item.unsqueeze(1)
    length = found[degree > 0].square().sum(dim=1).mean().sqrt()
    exists = strength > 1e-4  # of at most 1; below it float32 sees rounding
    if not exists.any() or length < 1e-9:
        return nothing, evidence
    scale = torch.where(exists, dim**0.5 / length, 0.0)
    shared = to_users(right).T @ to_users(popular) / popular_length
    evidence.factors[:, :rank] = found * scale
    nothing.gain[:rank] = torch.where(exists, strength.clamp_min(1e-9) ** -2, 0.0)
    nothing.drift[:rank] = shared.squeeze(1) / strength.clamp_min(1e-9) * scale
    return replace(nothing, prior=_ridge(content, evidence)), evidence


def _of_more_than_one_item(graph: Graph) -> Graph:
    keep = graph.user_degree()[graph.by_user[0]] > 1
    by_user = graph.by_user[:, keep]
    return replace(graph, by_user=by_user, item_order=torch.argsort(by_user[1], stable=True))


def fold_in(space: TasteSpace, graph: Graph, known: Evidence, is_known: Bool[Tensor, "item"]) -> Evidence:
    """Evidence for items that the fit did not see, from the known items that their users share.

    Known items keep theirs. Given the graph of the fit with one item unknown, that item gets about what the
    fit gave it; given items whose users know nothing, they stay without evidence.
    """
    users, items = graph.by_user
    to_known, _ = graph.operators(is_known[items].float())
    num_known = to_known(torch.ones(graph.num_items, 1)).squeeze(1)
    to_users, to_items = graph.operators((num_known[users] > 0).float())
    taste = to_users(known.factors * is_known.unsqueeze(1)) / (num_known + space.smoothing).clamp_min(
        1e-6
    ).unsqueeze(1)
    degree = to_items(torch.ones(graph.num_users, 1)).squeeze(1)
    confidence = degree / (degree + space.smoothing).clamp_min(1e-6)
    heard = to_items(taste) / (degree + space.smoothing).clamp_min(1e-6).unsqueeze(1)
    folded = heard * space.gain - confidence.unsqueeze(1) * space.drift
    return Evidence(
        factors=torch.where(is_known.unsqueeze(1), known.factors, folded),
        confidence=torch.where(is_known, known.confidence, confidence),
    )


def starting_points(
    space: TasteSpace, evidence: Evidence, content: Float[Tensor, "item content"]
) -> Float[Tensor, "item factor"]:
    """Evidence, and for the part that is missing what content suggests: shrinkage towards the prior."""
    return evidence.factors + (1 - evidence.confidence).unsqueeze(1) * (content @ space.prior)


def _ridge(content: Float[Tensor, "item content"], evidence: Evidence) -> Float[Tensor, "content factor"]:
    """Ridge regression of unshrunk factors on content, items weighted by confidence; in float64."""
    known = evidence.confidence > 0
    confidence = evidence.confidence[known].double().unsqueeze(1)
    x = confidence.sqrt() * content[known].double()
    target = evidence.factors[known].double() / confidence.sqrt()  # unshrunk, then weighted
    strength, axes = torch.linalg.eigh(x.T @ x)
    strength = strength.clamp_min(0)
    along = axes.T @ (x.T @ target)
    best, prior = torch.inf, torch.zeros_like(along)
    for power in range(-10, 3):
        penalty = (strength.max() * 10 ** (power / 2)).clamp_min(1e-12)
        solved = along / (strength + penalty).unsqueeze(1)
        # squared error of the fit, without forming it: |y|² - 2 y·ŷ + |ŷ|²
        error = (
            target.square().sum()
            - 2 * (along * solved).sum()
            + (strength.unsqueeze(1) * solved.square()).sum()
        )
        free = (len(x) - (strength / (strength + penalty)).sum()).clamp_min(1.0)
        if (score := float(error / free.square())) < best:
            best, prior = score, axes @ solved
    return prior.float()
