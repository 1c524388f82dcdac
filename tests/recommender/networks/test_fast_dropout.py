import pytest
import torch

from components.recommender.networks.fast_dropout import fast_dropout


def test_fast_dropout_keeps_mean_and_share():
    """100,003 ones (no multiple of eight) at a share of 1/4: ones become 4/3 or 0, the mean stays 1."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        dropped = fast_dropout(torch.ones(100_003), 0.25, True)
    assert dropped.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert torch.equal(fast_dropout(dropped, 0.25, False), dropped)
