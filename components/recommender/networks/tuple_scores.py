"""log P by the tuple head: of the children of a node of the trie, and of every leaf.

Shapes: N states, any leading shape `*`, width = most children of one node.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from components.recommender.codes.trie import Trie, TrieLevel
from components.recommender.networks.node_vectors import NodeVectors
from components.recommender.networks.tuple_head import TupleHead

GATHERED_PER_PRODUCT = 8  # gathering a code's weights costs about as much as multiplying by eight codes'


def child_log_probs(
    head: TupleHead,
    level: TrieLevel,
    depth: int,
    hidden: Float[Tensor, "* hidden"],
    direct: Float[Tensor, "* code"],
    node: Int[Tensor, "*"],
    tied: Float[Tensor, "* width"] | None = None,
) -> Float[Tensor, "* width"]:
    """log P of each child of `node`; -inf where there is none. `tied` is what node vectors add to its score.

    `direct` may be one row for many nodes, and `node` the same nodes for many rows of `hidden`.

    A code beyond the head's table (a collision token that came after training) is scored as the last one.
    """
    width, size = level.width, head.num_codes[depth]
    child = level.children_of(node)
    # places without a child are looked up too, at any code, and come out as -inf
    codes = level.codes_of(child).clamp(max=size - 1)
    places = (*hidden.shape[:-1], width)
    if width * GATHERED_PER_PRODUCT < size:
        scores = head.logits_of(hidden, codes, depth)
    else:
        scores = head.logits(hidden, depth).gather(-1, codes.expand(places))
    scores = scores + direct.expand(*hidden.shape[:-1], size).gather(-1, codes.expand(places))
    if tied is not None:
        scores = scores + tied
    return scores.masked_fill(child < 0, -torch.inf).log_softmax(dim=-1)


def tuple_log_probs(
    head: TupleHead, trie: Trie, states: Float[Tensor, "N dim"], nodes: NodeVectors | None = None
) -> Float[Tensor, "N leaf"]:
    """Exact log P of every leaf's tuple: all prefixes of the trie, no search."""
    total = states.new_zeros(len(states), 1)  # of the one root
    for depth, level in enumerate(trie.levels):
        children = level.num_children
        total = total.repeat_interleave(children, dim=1)  # children stand in the order of their nodes
        node = torch.nonzero(children > 1)[:, 0]  # an only child has probability one
        if len(node):
            hidden = head.state(states, depth)[:, None] + head.prefix(level.prefix[node], depth)
            direct = head.direct(states, depth)[:, None]
            child = level.children_of(node)
            tied = None if nodes is None else nodes.scores_of_all(states, depth)[:, child.clamp(min=0)]
            log_probs = child_log_probs(head, level, depth, hidden, direct, node, tied)
            total[:, child[child >= 0]] += log_probs[:, child >= 0]
    return total
