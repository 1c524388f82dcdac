"""Beam search over the trie of real items, all users of a batch at once.

The head is conditioned on one state, so the state's part of each level is computed once a user, not once a
beam. A prefix whose leaves are all seen or no candidates is dead: it never enters a beam, so a beam holds
only prefixes of items that may be returned, and k of them exist whenever k items do.

Shapes: B users, W beams, L levels.
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
    live: Bool[Tensor, "B leaf"],
) -> tuple[Int[Tensor, "B W"], Float[Tensor, "B W"]]:
    """The leaves of the `width` most likely live tuples that the beams reach, best first, and their log P.

    Holds: no dead leaf, no leaf twice. Places that no live leaf fills are -1 with -inf. With `width` at
    least the number of leaves the search is exact.
    """
    alive = torch.cat([live.new_zeros(len(live), 1, dtype=torch.int32), live.cumsum(1, dtype=torch.int32)], 1)
    users = len(states)
    node = torch.zeros(users, 1, dtype=torch.long, device=states.device)
    total = states.new_zeros(users, 1)
    for depth, level in enumerate(trie.levels):
        child = level.child[node]  # [B W width of the level]
        hidden = head.state(states, depth)[:, None] + head.prefix(level.prefix[node], depth)
        scores = total[:, :, None] + child_log_probs(head, level, depth, hidden, node)
        is_leaf = depth + 1 == len(trie.levels)
        first = child.clamp(min=0) if is_leaf else trie.levels[depth + 1].first_leaf[child]
        last = first + 1 if is_leaf else trie.levels[depth + 1].last_leaf[child]
        flat = (users, -1)
        is_live = alive.gather(1, last.reshape(flat)) > alive.gather(1, first.reshape(flat))
        is_live &= (child >= 0).reshape(flat)
        scores = scores.reshape(flat).masked_fill(~is_live, -torch.inf)
        kept = min(width, scores.shape[1])
        total, chosen = scores.topk(kept, dim=1)
        node = child.reshape(flat).gather(1, chosen)
        if not is_leaf:
            node = node.masked_fill(total == -torch.inf, 0)  # a filled place: its children stay at -inf
    return node.masked_fill(total == -torch.inf, -1), total
