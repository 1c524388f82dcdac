"""Beam search of the encoder-decoder over the trie of real items, all users of a batch at once.

The beams of a user are a tree that shares one copy of the encoder's keys and values, and one cache: each
node is computed once, nothing is copied when beams are chosen, and a beam attends to its own path by a mask.
The first level is one node a user. As in `beam.py`, a prefix whose leaves are all dead never enters a beam.

Shapes: B users, W beams, K nodes computed so far, L levels.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.recommender.codes.code_tokens import PADDING, CodeTokens
from components.recommender.codes.trie import Trie
from components.recommender.decoding.stable_topk import stable_topk
from components.recommender.networks.encoder_decoder import EncoderDecoder
from components.recommender.networks.t5_layers import Memory
from components.recommender.networks.tuple_likelihood import Normalize, child_token_log_probs


def cached_beam_search(
    network: EncoderDecoder,
    tokens: CodeTokens,
    trie: Trie,
    memory: Memory,
    *,
    width: int,
    live: Bool[Tensor, "B leaf"],
    normalize: Normalize,
) -> tuple[Int[Tensor, "B W"], Float[Tensor, "B W"]]:
    """The leaves of the `width` most likely live tuples that the beams reach, best first, and their log P.

    Holds: no dead leaf, no leaf twice; of equal scores the earlier tuple wins. Places that no live leaf
    fills are -1 with -inf. With `width` at least the number of leaves the search is exact.
    """
    users, device = len(live), live.device
    alive = torch.cat([live.new_zeros(users, 1, dtype=torch.int32), live.cumsum(1, dtype=torch.int32)], 1)
    cache = network.new_cache(users, _room(trie, width))
    node = torch.zeros(users, 1, dtype=torch.long, device=device)
    token = torch.full((users, 1), PADDING, device=device)
    total = torch.zeros(users, 1, device=device)
    is_ancestor = torch.ones(users, 1, 1, dtype=torch.bool, device=device)
    steps_back = torch.zeros(1, dtype=torch.long, device=device)
    for depth, level in enumerate(trie.levels):
        states = network.extend(memory, cache, token, is_ancestor, steps_back)
        scores = child_token_log_probs(network, tokens, level, depth, states, node, normalize)
        child = level.children_of(node)
        scores = total[:, :, None] + scores.masked_fill(~_has_live(trie, depth, child, alive), -torch.inf)
        at, best = stable_topk(scores.flatten(1), min(width, scores[0].numel()))
        total = torch.from_numpy(best).to(device)
        # a place that nothing fills follows its first candidate, all of whose children stay at -inf
        chosen = torch.from_numpy(at).to(device).clamp(min=0)
        # candidates lie beam by beam, `width` children each
        parent = chosen // scores.shape[2]
        node = child.flatten(1).gather(1, chosen).clamp(min=0)
        token = level.code[node] + tokens.first[depth]
        inherited = is_ancestor.gather(1, parent[:, :, None].expand(-1, -1, is_ancestor.shape[2]))
        itself = torch.eye(parent.shape[1], dtype=torch.bool, device=device).expand(users, -1, -1)
        is_ancestor = torch.cat([inherited, itself], dim=2)
        steps_back = torch.cat(
            [steps_back + 1, torch.zeros(parent.shape[1], dtype=torch.long, device=device)]
        )
    return node.masked_fill(total == -torch.inf, -1), total


def _has_live(
    trie: Trie, depth: int, child: Int[Tensor, "B W width"], alive: Int[Tensor, "B leaf_plus_1"]
) -> Bool[Tensor, "B W width"]:
    """Whether a live leaf lies under each child; `alive` counts the live leaves before each leaf."""
    is_leaf = depth + 1 == len(trie.levels)
    first = child.clamp(min=0) if is_leaf else trie.levels[depth + 1].first_leaf[child]
    last = first + 1 if is_leaf else trie.levels[depth + 1].last_leaf[child]
    # leaves under a node are one run: more live ones before its end than before its start means one is inside
    some = alive.gather(1, last.flatten(1)) > alive.gather(1, first.flatten(1))
    return some.view(child.shape) & (child >= 0)


def _room(trie: Trie, width: int) -> int:
    """Most nodes of a user that the search computes: the root, then the beams of each level but the last."""
    beams, room = 1, 1
    for level in trie.levels[:-1]:
        beams = min(width, beams * level.width)
        room += beams
    return room
