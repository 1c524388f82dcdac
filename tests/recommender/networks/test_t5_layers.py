import pytest
import torch

from components.recommender.networks.t5_layers import (
    DecoderLayer,
    EncoderDecoderConfig,
    Memory,
    RMSNorm,
    attend,
)

CONFIG = EncoderDecoderConfig(dim=8, num_heads=2, head_dim=4, hidden=8, dropout=0.0)


def test_rms_norm_by_hand():
    """3 and 4 have a mean square of 12.5; nothing is subtracted first."""
    found = RMSNorm(2)(torch.tensor([3.0, 4.0]))
    torch.testing.assert_close(found, torch.tensor([3.0, 4.0]) / 12.5**0.5)


def test_attention_is_not_scaled():
    """One query of 2 against keys 1 and 0: weights e^2 : 1, whatever the width of a head; heads lie side by side."""
    q, k = torch.full((1, 2, 1, 1), 2.0), torch.tensor([1.0, 0.0]).view(1, 1, 2, 1).expand(1, 2, 2, 1)
    v = torch.tensor([[1.0, 0.0], [10.0, 0.0]]).view(1, 2, 2, 1)
    share = torch.tensor(2.0).sigmoid()
    torch.testing.assert_close(attend(q, k, v, None), torch.stack([share, 10 * share]).view(1, 1, 2))
    closed = torch.tensor([0.0, -torch.inf]).view(1, 1, 1, 2)
    torch.testing.assert_close(attend(q, k, v, closed), torch.tensor([[[1.0, 10.0]]]))


def test_groups_of_a_user_read_their_own_users_memory():
    """Two users, two groups each: changing the second user's memory moves the last two groups alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = DecoderLayer(CONFIG).eval()
        x, states = torch.randn(4, 1, 8), torch.randn(2, 3, 8)
    with torch.inference_mode():
        found = []
        for factor in (1.0, 3.0):
            changed = states.clone()
            changed[1] *= factor
            keys, values = layer.memory(changed)
            memory = Memory(keys=[keys], values=[values], bias=None)
            found.append(layer(x, torch.zeros(1, 2, 1, 1), memory, 0, None))
    moved = [not torch.allclose(before, after) for before, after in zip(*found, strict=True)]
    assert moved == [False, False, True, True]


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"num_heads": 0}, "must be at least 1"), ({"dropout": 1.0}, r"dropout is 1\.0; it is a share")],
)
def test_config_is_checked(changes, message):
    with pytest.raises(ValueError, match=message):
        EncoderDecoderConfig(**changes)
