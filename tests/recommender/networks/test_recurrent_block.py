import torch

from components.recommender.networks.recurrent_block import RecurrentBlock


def test_it_is_the_published_unit():
    """Two places by hand: r, z = sigmoid(W x + U h); n = tanh(W x + r U h); h = (1 - z) n + z h, h = 0 before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        block = RecurrentBlock(4, 0.0).eval()
        with torch.no_grad():
            for weight in block.parameters():
                weight.normal_(0, 0.5)  # its output layer starts at nothing, and would hide the rest
    x = torch.randn(1, 2, 4, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        got = block(x, None, torch.zeros(1, 1, 2, 2))[0]
        unit, h = block.unit, torch.zeros(4)
        for place, normed in enumerate(block.norm(x)[0]):
            from_x = (unit.weight_ih_l0 @ normed + unit.bias_ih_l0).split(4)
            from_h = (unit.weight_hh_l0 @ h + unit.bias_hh_l0).split(4)
            reset, update = (torch.sigmoid(from_x[gate] + from_h[gate]) for gate in (0, 1))
            h = (1 - update) * torch.tanh(from_x[2] + reset * from_h[2]) + update * h
            torch.testing.assert_close(got[place], x[0, place] + block.out(h), atol=1e-5, rtol=1e-5)
