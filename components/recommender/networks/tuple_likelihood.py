"""Likelihood of an item's tuple under the encoder-decoder: sum over levels of log P(code | history, prefix).

Two normalisations. "vocabulary": the softmax of a level runs over all tokens, as published implementations
have it; part of the probability goes to tuples that name nothing. "children": it runs over the codes that
follow the prefix in the trie, so P over the items sums to one and an only child costs nothing.

Shapes: B users, P paths, L levels, d dim; `*` any leading shape.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from components.recommender.codes.code_tokens import PADDING, CodeTokens
from components.recommender.codes.trie import Trie, TrieLevel
from components.recommender.networks.encoder_decoder import EncoderDecoder
from components.recommender.networks.t5_layers import Memory

Normalize = Literal["vocabulary", "children"]


def child_token_log_probs(
    network: EncoderDecoder,
    tokens: CodeTokens,
    level: TrieLevel,
    depth: int,
    states: Float[Tensor, "* d"],
    node: Int[Tensor, "*"],
    normalize: Normalize,
) -> Float[Tensor, "* width"]:
    """log P of each child of `node`, given the states at it; -inf where there is none.

    A code beyond its table (a collision token that came after training) is scored as the last one.
    """
    first, last = tokens.first[depth], tokens.first[depth] + tokens.num_codes[depth]
    # places without a child are looked up too, at any code, and come out as -inf
    child = level.children_of(node)
    is_missing, code = child < 0, level.codes_of(child).clamp(max=last - first - 1)
    if normalize == "vocabulary":
        scores = (states @ network.embedding.T).log_softmax(dim=-1)[..., first:last]
        return scores.gather(-1, code).masked_fill(is_missing, -torch.inf)
    scores = (states @ network.embedding[first:last].T).gather(-1, code)
    return scores.masked_fill(is_missing, -torch.inf).log_softmax(dim=-1)


def path_log_probs(
    network: EncoderDecoder,
    tokens: CodeTokens,
    trie: Trie,
    memory: Memory,
    items: Int[Tensor, "B P"],
    normalize: Normalize,
) -> Float[Tensor, "B P"]:
    """log P of the tuples of some items for each user, teacher forced: all levels in one pass."""
    depths = list(range(tokens.num_levels))
    if normalize == "children":  # an only child has probability one
        depths = [depth for depth in depths if trie.levels[depth].width > 1]
    total = network.embedding.new_zeros(items.shape)
    if not depths:
        return total
    codes = torch.stack([_code(trie, items, depth) for depth in range(tokens.num_levels)], dim=-1)
    path = tokens.of_codes(codes)
    start = torch.full_like(path[..., :1], PADDING)
    states = network.decode(memory, torch.cat([start, path[..., :-1]], dim=-1))
    for depth in depths:
        node, slot = trie.node_of_item[items, depth], trie.slot_of_item[items, depth]
        scores = child_token_log_probs(
            network, tokens, trie.levels[depth], depth, states[..., depth, :], node, normalize
        )
        total = total + scores.gather(-1, slot[..., None])[..., 0]
    return total


def leaf_log_probs(
    network: EncoderDecoder,
    tokens: CodeTokens,
    trie: Trie,
    memory: Memory,
    normalize: Normalize,
    *,
    chunk: int = 256,
) -> Float[Tensor, "B leaf"]:
    """Exact log P of every leaf's tuple, `chunk` leaves at a time."""
    users = len(memory.keys[0])
    return torch.cat(
        [
            path_log_probs(network, tokens, trie, memory, leaves.expand(users, -1), normalize)
            for leaves in trie.items.split(chunk)
        ],
        dim=1,
    )


def _code(trie: Trie, items: Int[Tensor, "*"], depth: int) -> Int[Tensor, "*"]:
    level = trie.levels[depth]
    return level.code[level.first_child[trie.node_of_item[items, depth]] + trie.slot_of_item[items, depth]]
