"""Beam search over the trie of real items, all users of a batch at once.

The head is conditioned on one state, so the state's part of each level is computed once a user, not once a
beam, and a node with one child costs nothing. A prefix whose leaves are all seen or no candidates is dead: it
never enters a beam, so a beam holds only prefixes of items that may be returned, and k of them exist whenever k
items do.

Shapes: B users, W beams, L levels, N pairs of a user and a leaf.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.recommender.codes.trie import Trie, TrieLevel
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
    usable: Bool[Tensor, "leaf"],
    excluded: tuple[Int[Tensor, "N"], Int[Tensor, "N"]],
) -> tuple[Int[Tensor, "B W"], Float[Tensor, "B W"]]:
    """The leaves of the `width` most likely live tuples that the beams reach, best first, and their log P.

    `first_width` first codes are kept (default: `width`): of a few hundred most are hopeless, and each kept costs
    a scoring of all its children.

    Live is a leaf that is `usable`, but for the pairs (user, leaf) of `excluded`, none of them twice. Holds: no
    dead leaf, no leaf twice. Places that no live leaf fills are -1 with -inf. With both widths at least the
    number of leaves the search is exact.
    """
    users = len(states)
    node = torch.zeros(users, 1, dtype=torch.long, device=states.device)
    total = states.new_zeros(users, 1)
    for depth, level in enumerate(trie.levels):
        dead = _dead_children(trie, depth, usable, excluded, users)
        if level.child.shape[1] == 1:  # one child everywhere: nothing to choose, and dead ones died above
            node = level.child[:, 0][node]
            if depth == 0 and dead is not None:
                total = total.masked_fill(dead.gather(1, node), -torch.inf)
            continue
        is_wide = level.child.numel() > PADDED_UP_TO * float(level.num_children.sum())
        is_rare = float((level.num_children > 1).float().mean()) < CHOICES_FROM
        child, scores = (_picked if is_wide or is_rare else _padded)(head, level, depth, states, node, total)
        if dead is not None:
            scores = scores.masked_fill(dead.gather(1, child.clamp(min=0)), -torch.inf)
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
) -> tuple[Int[Tensor, "B C"], Float[Tensor, "B C"]]:
    """Children of every beam and the log P so far, as many places as the widest node has children."""
    hidden = head.state(states, depth)[:, None] + head.prefix(level.prefix[node], depth)
    direct = head.direct(states, depth)[:, None]
    log_probs = child_log_probs(head, level, depth, hidden, direct, node)
    return level.child[node].flatten(1), (total[:, :, None] + log_probs).flatten(1)


def _picked(
    head: TupleHead,
    level: TrieLevel,
    depth: int,
    states: Float[Tensor, "B dim"],
    node: Int[Tensor, "B W"],
    total: Float[Tensor, "B W"],
) -> tuple[Int[Tensor, "B C"], Float[Tensor, "B C"]]:
    """The same where most nodes have few children: only those that are there, and an only child is not scored."""
    users, width = node.shape
    node, count = node.flatten(), level.num_children[node]
    ends = count.cumsum(dim=1)
    places = int(ends[:, -1].max())
    # children lie side by side in a user's row, beam after beam: a beam's begin where the one before ends
    begins = torch.arange(users, device=node.device)[:, None] * places + ends - count
    count, begins = count.flatten(), begins.flatten()
    beam = torch.repeat_interleave(count)
    slot = torch.arange(len(beam), device=node.device) - (count.cumsum(dim=0) - count)[beam]
    log_probs = total.flatten()[beam]
    several = torch.nonzero(count > 1)[:, 0]
    if len(several):
        user, parent = several // width, node[several]
        hidden = head.state(states, depth)[user] + head.prefix(level.prefix[parent], depth)
        direct = head.direct(states, depth)[user]
        found = child_log_probs(head, level, depth, hidden, direct, parent)
        log_probs[(count > 1)[beam]] += found[level.child[parent] >= 0]
    child = node.new_full((users * places,), -1)
    scores = total.new_full((users * places,), -torch.inf)
    at = begins[beam] + slot
    child[at], scores[at] = level.child[node, 0][beam] + slot, log_probs
    return child.view(users, places), scores.view(users, places)


def _dead_children(
    trie: Trie,
    depth: int,
    usable: Bool[Tensor, "leaf"],
    excluded: tuple[Int[Tensor, "N"], Int[Tensor, "N"]],
    users: int,
) -> Bool[Tensor, "B node"] | None:
    """Nodes below `depth` under which a user has no live leaf; None if there are none."""
    is_leaf = depth + 1 == len(trie.levels)
    if is_leaf:
        alive, node_of_leaf = usable.long(), torch.arange(len(usable), device=usable.device)
    else:
        below = trie.levels[depth + 1]
        running = torch.cat([usable.new_zeros(1, dtype=torch.long), usable.cumsum(0)])
        # leaves under a node are one run: usable ones up to its end, minus those before it
        alive = running[below.last_leaf] - running[below.first_leaf]
        node_of_leaf = trie.node_of_item[trie.items, depth + 1]
    user, leaf = excluded
    counts = usable[leaf]  # a leaf that nobody may have is not in `alive`
    # one number for user and node, so that one `unique` counts the leaves each user may not have below each node
    pair, taken = (user[counts] * len(alive) + node_of_leaf[leaf[counts]]).unique(return_counts=True)
    # no pair comes twice: as many taken as alive means none is left
    exhausted = pair[taken == alive[pair % len(alive)]]
    nobody = alive == 0
    if not len(exhausted) and not nobody.any():
        return None
    dead = nobody.repeat(users, 1)
    dead.view(-1)[exhausted] = True
    return dead
