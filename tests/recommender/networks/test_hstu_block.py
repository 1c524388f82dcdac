import torch

from components.recommender.networks.hstu_block import HSTUBlock


def test_hstu_is_the_published_formula():
    """One query by hand: U, V, Q, K = SiLU(linear(norm x)); out(U * norm(sum SiLU(q·k) v / n)) + x."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        block = HSTUBlock(8, 1, 0.0).eval()
        with torch.no_grad():
            for weight in block.parameters():
                weight.normal_(0, 0.5)  # its output layer starts at nothing, and would hide the rest
    x = torch.randn(1, 3, 8, generator=torch.Generator().manual_seed(3))
    causal = torch.zeros(1, 1, 3, 3).masked_fill(torch.ones(3, 3).triu(1).bool(), -torch.inf)
    with torch.inference_mode():
        got = block(x, None, causal)[0, -1]
        u, v, q, k = torch.nn.functional.silu(block.uvqk(block.norm(x[0]))).split(8, dim=-1)
        score = torch.nn.functional.silu(k @ q[-1])
        mixed = (score[:, None] * v).sum(0) / 3
        torch.testing.assert_close(got, block.out(u[-1] * block.norm_mixed(mixed)) + x[0, -1])
