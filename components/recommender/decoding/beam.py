"""Beam search over the trie of real items, all users of a batch at once.

The head is conditioned on one state, so the state's part of each level is computed once a user, not once a
beam, and a node with one child costs nothing. A prefix whose leaves are all seen or no candidates is dead: it
never enters a beam, so a beam holds only prefixes of items that may be returned, and k of them exist whenever k
items do.

Shapes: B users, W beams, child = all of a level, C children of all beams of a user, L levels, N pairs of a user
and a leaf.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from components.recommender.codes.trie import Trie, TrieLevel
from components.recommender.decoding.usable_leaves import UsableLeaves, bar, exhausted_children
from components.recommender.networks.node_vectors import NodeVectors
from components.recommender.networks.tuple_head import TupleHead
from components.recommender.networks.tuple_scores import child_log_probs

PADDED_UP_TO = 3.0  # times as many places as children: beyond it, children are picked out first
CHOICES_FROM = (
    0.25  # share of nodes with several children: below it, they are too, and only children cost nothing
)


def beam_search(
    head: TupleHead,
    trie: Trie,
    states: Float[Tensor, "B dim"],
    *,
    width: int,
    first_width: int | None = None,
    usable: UsableLeaves,
    excluded: tuple[Int[Tensor, "N"], Int[Tensor, "N"]],
    nodes: NodeVectors | None = None,
) -> tuple[Int[Tensor, "B W"], Float[Tensor, "B W"]]:
    """The leaves of the `width` most likely live tuples that the beams reach, best first, and their log P.

    `first_width` first codes are kept (default: `width`): of a few hundred most are hopeless, and each kept costs
    a scoring of all its children.

    Live is a leaf that is usable, but for the pairs (user, leaf) of `excluded`, none of them twice. Holds: no
    dead leaf, no leaf twice. Places that no live leaf fills are -1 with -inf. With both widths at least the
    number of leaves the search is exact. `nodes` are the trie's, where the head is scored with them.
    """
    node = torch.zeros(len(states), 1, dtype=torch.long, device=states.device)
    total = states.new_zeros(len(states), 1)
    for depth, level in enumerate(trie.levels):
        if depth and level.width == 1:  # one child everywhere: nothing to choose, and dead ones died above
            node = level.first_child[node]
            continue
        is_picked = level.padding > PADDED_UP_TO or level.share_of_choices < CHOICES_FROM
        tied = None if nodes is None else nodes.scores_of_all(states, depth)
        child, scores, begins = (_picked if is_picked else _padded)(
            head, level, depth, states, node, total, tied
        )
        if usable.has_barren[depth]:
            is_barren = usable.below[depth] == 0
            scores = scores.masked_fill(is_barren[child.clamp(min=0)], -torch.inf)
        scores = bar(exhausted_children(trie, depth, usable, excluded), scores, node, begins)
        kept = first_width if depth == 0 and first_width is not None else width
        total, chosen = scores.topk(min(kept, scores.shape[1]), dim=1)
        node = child.gather(1, chosen).clamp(min=0)  # of a place that nothing fills: its total stays -inf
    return node.masked_fill(total == -torch.inf, -1), total


def _padded(
    head: TupleHead,
    level: TrieLevel,
    depth: int,
    states: Float[Tensor, "B dim"],
    node: Int[Tensor, "B W"],
    total: Float[Tensor, "B W"],
    tied: Float[Tensor, "B child"] | None,
) -> tuple[Int[Tensor, "B C"], Float[Tensor, "B C"], Int[Tensor, "#B W"]]:
    """Children of every beam, the log P so far, and where a beam's begin: the widest node's number of places each."""
    hidden = head.state(states, depth)[:, None] + head.prefix(level.prefix[node], depth)
    direct = head.direct(states, depth)[:, None]
    child = level.children_of(node)
    of_nodes = None if tied is None else tied.gather(1, child.clamp(min=0).flatten(1)).view(child.shape)
    log_probs = child_log_probs(head, level, depth, hidden, direct, node, of_nodes)
    begins = torch.arange(node.shape[1], device=node.device)[None] * log_probs.shape[2]
    return child.flatten(1), (total[:, :, None] + log_probs).flatten(1), begins


def _picked(
    head: TupleHead,
    level: TrieLevel,
    depth: int,
    states: Float[Tensor, "B dim"],
    node: Int[Tensor, "B W"],
    total: Float[Tensor, "B W"],
    tied: Float[Tensor, "B child"] | None,
) -> tuple[Int[Tensor, "B C"], Float[Tensor, "B C"], Int[Tensor, "#B W"]]:
    """The same where most nodes have few children: only those that are there, and an only child is not scored."""
    users, width = node.shape
    node, count = node.flatten(), level.num_children[node]
    ends = count.cumsum(dim=1)
    places = int(ends[:, -1].max())
    # children lie side by side in a user's row, beam after beam: a beam's begin where the one before ends
    in_row = ends - count
    begins = torch.arange(users, device=node.device)[:, None] * places + in_row
    count, begins = count.flatten(), begins.flatten()
    beam = torch.repeat_interleave(count)
    slot = torch.arange(len(beam), device=node.device) - (count.cumsum(dim=0) - count)[beam]
    log_probs = total.flatten()[beam]
    several = torch.nonzero(count > 1)[:, 0]
    if len(several):
        user, parent = several // width, node[several]
        hidden = head.state(states, depth)[user] + head.prefix(level.prefix[parent], depth)
        direct = head.direct(states, depth)[user]
        children = level.children_of(parent)
        of_nodes = None if tied is None else tied[user[:, None], children.clamp(min=0)]
        found = child_log_probs(head, level, depth, hidden, direct, parent, of_nodes)
        log_probs[(count > 1)[beam]] += found[children >= 0]
    child = node.new_full((users * places,), -1)
    scores = total.new_full((users * places,), -torch.inf)
    at = begins[beam] + slot
    child[at], scores[at] = level.first_child[node][beam] + slot, log_probs
    return child.view(users, places), scores.view(users, places), in_row
