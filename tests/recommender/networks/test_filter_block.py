import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.networks.filter_block import FilterBlock, causal_filter


def test_worked_example():
    """1, 2, 4 by the kernel 1, 10, 100: 1; 2 + 10; 4 + 20 + 100."""
    x, kernel = torch.tensor([[[1.0], [2.0], [4.0]]]), torch.tensor([[1.0], [10.0], [100.0]])
    torch.testing.assert_close(causal_filter(x, kernel)[0, :, 0], torch.tensor([1.0, 12.0, 124.0]))


@settings(max_examples=30, deadline=None)
@given(places=st.integers(1, 51), seed=st.integers(0, 99))
def test_the_product_of_transforms_is_the_sum_over_distances(places, seed):
    draw = torch.Generator().manual_seed(seed)
    x, kernel = (torch.randn(*shape, 3, generator=draw) for shape in ((2, places), (places,)))
    wanted = torch.stack(
        [sum(kernel[t] * x[:, p - t] for t in range(p + 1)) for p in range(places)],  # type: ignore[misc]
        dim=1,
    )
    torch.testing.assert_close(causal_filter(x, kernel), wanted, atol=1e-4, rtol=1e-4)


def test_it_begins_as_nothing_and_learns():
    block, x = FilterBlock(4, 5, 0.0), torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block(x, None, torch.zeros(1, 1, 5, 5)), x)
    block(x, None, torch.zeros(1, 1, 5, 5))[:, -1].sum().backward()
    assert block.kernel.grad is not None
    assert (block.kernel.grad.abs().sum(dim=1) > 0).all()
