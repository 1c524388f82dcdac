import pytest
import torch

from components.recommender.networks.encoder_decoder import EncoderDecoder
from components.recommender.networks.t5_weights import from_t5
from tests.recommender.naive_t5 import random_t5_weights
from tests.recommender.networks.test_encoder_decoder import CONFIG, VOCABULARY


def test_a_checkpoint_without_a_part_is_refused():
    weights = random_t5_weights(CONFIG, VOCABULARY, 0)
    del weights["decoder.block.1.layer.1.EncDecAttention.k.weight"]
    with pytest.raises(KeyError, match=r"EncDecAttention\.k"):
        from_t5(weights, num_layers=2, num_decoder_layers=3)


def test_every_weight_of_the_network_is_given_and_fits():
    made = from_t5(random_t5_weights(CONFIG, VOCABULARY, 0), num_layers=2, num_decoder_layers=3)
    wanted = {name: weight.shape for name, weight in EncoderDecoder(CONFIG, VOCABULARY).state_dict().items()}
    assert {name: weight.shape for name, weight in made.items()} == wanted


def test_queries_keys_and_values_lie_in_that_order():
    weights = random_t5_weights(CONFIG, VOCABULARY, 0)
    made = from_t5(weights, num_layers=2, num_decoder_layers=3)["encoder.1.attention.qkv.weight"]
    own = "encoder.block.1.layer.0.SelfAttention"
    for at, part in enumerate("qkv"):
        assert torch.equal(made.chunk(3)[at], weights[f"{own}.{part}.weight"])
