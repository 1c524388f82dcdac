"""The network beside a naive one: no cache, no sharing, one path at a time, written after the paper."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.networks.encoder_decoder import EncoderDecoder
from components.recommender.networks.t5_layers import EncoderDecoderConfig
from components.recommender.networks.t5_weights import from_t5
from tests.recommender.naive_t5 import naive_logits, random_t5_weights

CONFIG = EncoderDecoderConfig(
    dim=12, num_heads=3, head_dim=5, hidden=20, num_encoder_layers=2, num_decoder_layers=3, num_buckets=8,
    max_distance=20,
)  # fmt: skip
VOCABULARY = 30


def network_and_weights(seed: int) -> tuple[EncoderDecoder, dict[str, torch.Tensor]]:
    weights = random_t5_weights(CONFIG, VOCABULARY, seed)
    network = EncoderDecoder(CONFIG, VOCABULARY).eval()
    network.load_state_dict(from_t5(weights, num_layers=2, num_decoder_layers=3))
    return network, weights


def some_tokens(*shape: int, seed: int) -> torch.Tensor:
    return torch.randint(1, VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=8, deadline=None)
@given(length=st.integers(1, 30), steps=st.integers(1, 5), paths=st.integers(1, 2), seed=st.integers(0, 999))
def test_teacher_forced_logits_equal_the_naive_network(length, steps, paths, seed):
    network, weights = network_and_weights(seed)
    history, path = some_tokens(2, length, seed=seed), some_tokens(2, paths, steps, seed=seed + 1)
    with torch.inference_mode():
        logits = network.decode(network.encode(history), path) @ network.embedding.T
        for user in range(2):
            for at in range(paths):
                wanted = naive_logits(weights, CONFIG, history[user], path[user, at])
                torch.testing.assert_close(logits[user, at], wanted, atol=1e-5, rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=5), more=st.integers(0, 5), left=st.booleans()
)
def test_padding_does_not_matter(lengths, more, left):
    """Each history alone, and in a batch padded on either side: the same states after any path."""
    network, _ = network_and_weights(1)
    width = max(1, *lengths, 1) + more
    batch = torch.zeros(len(lengths), width, dtype=torch.long)
    path = some_tokens(len(lengths), 1, 3, seed=2)
    alone = []
    with torch.inference_mode():
        for user, length in enumerate(lengths):
            tokens = some_tokens(1, length, seed=user)
            batch[user, width - length if left else 0 : width if left else length] = tokens[0]
            tokens = tokens if length else torch.zeros(1, 1, dtype=torch.long)
            alone.append(network.decode(network.encode(tokens), path[user : user + 1]))
        together = network.decode(network.encode(batch), path)
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(widths=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=st.integers(0, 999))
def test_a_growing_tree_equals_its_paths(widths, seed):
    """Nodes added depth by depth, each under a random parent, have the states of their own whole path."""
    network, _ = network_and_weights(seed)
    generator = torch.Generator().manual_seed(seed)
    users = 2
    memory = network.encode(some_tokens(users, 6, seed=seed))
    widths = [1, *widths]
    cache = network.new_cache(users, sum(widths))
    steps_back = torch.zeros(0, dtype=torch.long)
    with torch.inference_mode():
        paths = torch.zeros(users, 1, 0, dtype=torch.long)
        is_ancestor = torch.zeros(users, 1, 0, dtype=torch.bool)
        for width in widths:
            parent = torch.randint(0, paths.shape[1], (users, width), generator=generator)
            token = torch.randint(1, VOCABULARY, (users, width), generator=generator)
            paths = paths.gather(1, parent[..., None].expand(-1, -1, paths.shape[2]))
            paths = torch.cat([paths, token[..., None]], dim=2)
            inherited = is_ancestor.gather(1, parent[..., None].expand(-1, -1, is_ancestor.shape[2]))
            itself = torch.eye(width, dtype=torch.bool).expand(users, -1, -1)
            is_ancestor = torch.cat([inherited, itself], dim=2)
            steps_back = torch.cat([steps_back + 1, torch.zeros(width, dtype=torch.long)])
            states = network.extend(memory, cache, token, is_ancestor, steps_back)
            wanted = network.decode(memory, paths)[:, :, -1]
            torch.testing.assert_close(states, wanted, atol=1e-5, rtol=1e-5)
