import numpy as np
import pytest
import torch

from components.recommender.codes.code_tokens import CodeTokens
from components.recommender.codes.trie import build_trie
from components.recommender.networks.encoder_decoder import EncoderDecoder
from components.recommender.networks.t5_layers import EncoderDecoderConfig
from components.recommender.networks.tuple_likelihood import leaf_log_probs, path_log_probs

CONFIG = EncoderDecoderConfig(
    dim=8, num_heads=2, head_dim=4, hidden=8, num_encoder_layers=1, num_decoder_layers=1, dropout=0.0
)
CODES = np.array([[0, 0], [0, 1], [1, 1]])
TOKENS, TRIE = CodeTokens((2, 2)), build_trie(CODES)


def network() -> EncoderDecoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return EncoderDecoder(CONFIG, TOKENS.vocabulary).eval()


@pytest.mark.parametrize("normalize", ["children", "vocabulary"])
def test_a_likelihood_by_hand(normalize):
    """Item (1, 1): code 1 of {0, 1}, then an only child, certain among children; tokens are 2 and 4 of 5."""
    made = network()
    with torch.inference_mode():
        memory = made.encode(torch.tensor([[1, 3]]))
        found = path_log_probs(made, TOKENS, TRIE, memory, torch.tensor([[2]]), normalize)
        logits = (made.decode(memory, torch.tensor([[[0, 2]]])) @ made.embedding.T)[0, 0]
        if normalize == "children":
            wanted = logits[0, 1:3].log_softmax(-1)[1]
        else:
            wanted = logits[0].log_softmax(-1)[2] + logits[1].log_softmax(-1)[4]
    torch.testing.assert_close(found[0, 0], wanted)


def test_over_children_leaves_sum_to_one_and_over_the_vocabulary_to_less():
    made = network()
    with torch.inference_mode():
        memory = made.encode(torch.tensor([[1, 3], [2, 4]]))
        children = leaf_log_probs(made, TOKENS, TRIE, memory, "children", chunk=2)
        vocabulary = leaf_log_probs(made, TOKENS, TRIE, memory, "vocabulary")
    torch.testing.assert_close(children.exp().sum(dim=1), torch.ones(2))
    assert (vocabulary.exp().sum(dim=1) < 1).all()


def test_one_item_alone_costs_nothing():
    made, alone = network(), build_trie(CODES[:1])
    with torch.inference_mode():
        memory = made.encode(torch.tensor([[1, 3]]))
        assert leaf_log_probs(made, TOKENS, alone, memory, "children").tolist() == [[0.0]]
