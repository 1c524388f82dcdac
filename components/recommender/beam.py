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

from components.recommender.network import child_log_probs
from components.recommender.trie import Trie
from components.recommender.tuple_head import TupleHead


def beam_search(
    head: TupleHead,
    trie: Trie,
    states: Float[Tensor, "B dim"],
    *,
    width: int,
    usable: Bool[Tensor, "leaf"],
    barred: tuple[Int[Tensor, "N"], Int[Tensor, "N"]],
) -> tuple[Int[Tensor, "B W"], Float[Tensor, "B W"]]:
    """The leaves of the `width` most likely live tuples that the beams reach, best first, and their log P.

    Live is a leaf that is `usable`, but for the pairs (user, leaf) of `barred`, none of them twice. Holds: no
    dead leaf, no leaf twice. Places that no live leaf fills are -1 with -inf. With `width` at least the number
    of leaves the search is exact.
    """
    users = len(states)
    node = torch.zeros(users, 1, dtype=torch.long, device=states.device)
    total = states.new_zeros(users, 1)
    for depth, level in enumerate(trie.levels):
        dead = _dead_children(trie, depth, usable, barred, users)
        if level.child.shape[1] == 1:  # one child everywhere: nothing to choose, and dead ones died above
            node = level.child[:, 0][node]
            if depth == 0 and dead is not None:
                total = total.masked_fill(dead.gather(1, node), -torch.inf)
            continue
        child = level.child[node]  # [B W children]
        hidden = head.state(states, depth)[:, None] + head.prefix(level.prefix[node], depth)
        direct = head.direct(states, depth)[:, None]
        log_probs = child_log_probs(head, level, depth, hidden, direct, node)
        scores = (total[:, :, None] + log_probs).flatten(1)
        child = child.flatten(1)
        if dead is not None:
            scores = scores.masked_fill(dead.gather(1, child.clamp(min=0)), -torch.inf)
        total, chosen = scores.topk(min(width, scores.shape[1]), dim=1)
        node = child.gather(1, chosen).clamp(min=0)  # of a place that nothing fills: its total stays -inf
    return node.masked_fill(total == -torch.inf, -1), total


def _dead_children(
    trie: Trie,
    depth: int,
    usable: Bool[Tensor, "leaf"],
    barred: tuple[Int[Tensor, "N"], Int[Tensor, "N"]],
    users: int,
) -> Bool[Tensor, "B node"] | None:
    """Nodes below `depth` under which a user has no live leaf; None if there are none."""
    is_leaf = depth + 1 == len(trie.levels)
    if is_leaf:
        alive, node_of_leaf = usable.long(), torch.arange(len(usable), device=usable.device)
    else:
        below = trie.levels[depth + 1]
        running = torch.cat([usable.new_zeros(1, dtype=torch.long), usable.cumsum(0)])
        alive = running[below.last_leaf] - running[below.first_leaf]
        node_of_leaf = trie.node_of_item[trie.items, depth + 1]
    user, leaf = barred
    counts = usable[leaf]  # a leaf that nobody may have is not in `alive`
    pair, taken = (user[counts] * len(alive) + node_of_leaf[leaf[counts]]).unique(return_counts=True)
    exhausted = pair[taken == alive[pair % len(alive)]]
    nobody = alive == 0
    if not len(exhausted) and not nobody.any():
        return None
    dead = nobody.repeat(users, 1)
    dead.view(-1)[exhausted] = True
    return dead
