"""The search beside one that recomputes every beam from nothing, and beside scoring everything."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.codes.code_tokens import CodeTokens
from components.recommender.codes.trie import build_trie
from components.recommender.decoding.cached_beam import cached_beam_search
from components.recommender.networks.encoder_decoder import EncoderDecoder
from components.recommender.networks.t5_layers import EncoderDecoderConfig
from components.recommender.networks.t5_weights import from_t5
from components.recommender.networks.tuple_likelihood import leaf_log_probs
from tests.recommender.examples import tuples
from tests.recommender.naive_t5 import naive_logits, random_t5_weights

CONFIG = EncoderDecoderConfig(
    dim=12, num_heads=2, head_dim=5, hidden=16, num_encoder_layers=1, num_decoder_layers=2, num_buckets=8,
    max_distance=20,
)  # fmt: skip


def tokens_of(codes: np.ndarray) -> CodeTokens:
    return CodeTokens(tuple(int(size) for size in codes.max(axis=0) + 1))


def network_for(codes: np.ndarray, seed: int) -> tuple[EncoderDecoder, dict[str, torch.Tensor]]:
    vocabulary = tokens_of(codes).vocabulary
    weights = random_t5_weights(CONFIG, vocabulary, seed)
    network = EncoderDecoder(CONFIG, vocabulary).eval()
    network.load_state_dict(from_t5(weights, num_layers=1, num_decoder_layers=2))
    return network, weights


def naive_search(weights, codes, history, live, width, normalize):
    """[(tuple, log P)] best first: prefixes as Python tuples, the network run whole for each."""
    first = tokens_of(codes).first
    leaves = [tuple(row) for row, is_live in zip(codes.tolist(), live, strict=True) if is_live]
    beams = [((), 0.0)]
    for depth in range(codes.shape[1]):
        grown = []
        for prefix, total in beams:
            path = [0] + [first[at] + code for at, code in enumerate(prefix)]
            logits = naive_logits(weights, CONFIG, history, torch.tensor(path))[-1].double()
            children = {tuple(row[: depth + 1]) for row in codes.tolist() if tuple(row[:depth]) == prefix}
            over = logits
            if normalize == "children":
                over = logits[[first[depth] + child[-1] for child in children]]
            for child in sorted(children & {leaf[: depth + 1] for leaf in leaves}):
                log_p = float(logits[first[depth] + child[-1]] - over.logsumexp(0))
                grown.append((child, total + log_p))
        beams = sorted(grown, key=lambda one: (-one[1], one[0]))[:width]
    return beams


@settings(max_examples=10, deadline=None)
@given(
    count=st.integers(1, 25),
    width=st.integers(1, 5),
    beams=st.integers(1, 6),
    normalize=st.sampled_from(["vocabulary", "children"]),
    seed=st.integers(0, 999),
)
def test_lists_equal_a_search_that_recomputes_everything(count, width, beams, normalize, seed):
    codes = tuples(count, width=width, seed=seed)
    network, weights = network_for(codes, seed)
    trie, tokens = build_trie(codes), tokens_of(codes)
    generator = torch.Generator().manual_seed(seed)
    history = torch.randint(1, tokens.vocabulary, (2, 6), generator=generator)
    live = torch.rand(2, count, generator=generator) < 0.7
    with torch.inference_mode():
        leaf, score = cached_beam_search(
            network, tokens, trie, network.encode(history), width=beams, live=live, normalize=normalize
        )
        for user in range(2):
            is_live_item = np.zeros(count, dtype=bool)
            is_live_item[trie.items[live[user]]] = True
            wanted = naive_search(weights, codes, history[user], is_live_item, beams, normalize)
            found = leaf[user][leaf[user] >= 0]
            assert [tuple(codes[item].tolist()) for item in trie.items[found].tolist()] == [
                prefix for prefix, _ in wanted
            ]
            np.testing.assert_allclose(score[user][: len(found)], [total for _, total in wanted], atol=1e-5)
            assert torch.isneginf(score[user][len(found) :]).all()


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 60),
    width=st.integers(1, 6),
    beams=st.integers(1, 70),
    normalize=st.sampled_from(["vocabulary", "children"]),
    seed=st.integers(0, 999),
)
def test_beams_hold_live_leaves_once_with_their_exact_score(count, width, beams, normalize, seed):
    """At full width the search is exact: same scores, best first."""
    codes = tuples(count, width=width, seed=seed)
    network, _ = network_for(codes, seed)
    trie, tokens = build_trie(codes), tokens_of(codes)
    generator = torch.Generator().manual_seed(seed)
    history = torch.randint(1, tokens.vocabulary, (4, 5), generator=generator)
    live = torch.rand(4, count, generator=generator) < 0.6
    with torch.inference_mode():
        memory = network.encode(history)
        exact = leaf_log_probs(network, tokens, trie, memory, normalize, chunk=7)
        leaf, score = cached_beam_search(
            network, tokens, trie, memory, width=beams, live=live, normalize=normalize
        )
    mass = exact.exp().sum(dim=1)
    assert (mass <= 1 + 1e-4).all()
    if normalize == "children":
        torch.testing.assert_close(mass, torch.ones(4), atol=1e-4, rtol=0)
    exact = exact.masked_fill(~live, -torch.inf)
    for row in range(4):
        found = leaf[row][leaf[row] >= 0]
        assert len(found) == len(set(found.tolist()))
        assert len(found) >= min(beams, int(live[row].sum()))
        assert live[row][found].all()
        torch.testing.assert_close(score[row][: len(found)], exact[row][found], atol=1e-5, rtol=1e-5)
        if beams >= count:
            best = exact[row].sort(descending=True).values[: len(found)]
            torch.testing.assert_close(score[row][: len(found)], best, atol=1e-5, rtol=1e-5)


def test_of_equal_scores_the_earlier_tuple_wins():
    """With an embedding of zeros every token is as likely: lists are the first leaves, in tuple order."""
    codes = tuples(40, width=3, seed=1)
    network, _ = network_for(codes, 1)
    with torch.inference_mode():
        network.embedding.zero_()
        live = torch.ones(2, 40, dtype=torch.bool)
        live[1, :3] = False
        leaf, _ = cached_beam_search(
            network,
            tokens_of(codes),
            build_trie(codes),
            network.encode(torch.ones(2, 3, dtype=torch.long)),
            width=5,
            live=live,
            normalize="vocabulary",
        )
    assert leaf.tolist() == [[0, 1, 2, 3, 4], [3, 4, 5, 6, 7]]
