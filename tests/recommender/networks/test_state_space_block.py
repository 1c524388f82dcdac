import torch

from components.recommender.networks.state_space_block import STATE, StateSpaceBlock


def test_the_masked_form_is_the_recurrence():
    """State by state: S = exp(a dt) S + dt x B', y = S C + D x, the same at every place, for two heads of two."""
    draw = torch.Generator().manual_seed(0)
    block = StateSpaceBlock(4, 2, 0.0)
    with torch.no_grad():
        block.log_decay.copy_(torch.tensor([0.3, -0.7]))
        block.skip.copy_(torch.tensor([[[0.5]], [[2.0]]]))
    values, step = torch.randn(1, 6, 4, generator=draw), torch.rand(1, 6, 2, generator=draw)
    into, out_of = torch.randn(1, 6, STATE, generator=draw), torch.randn(1, 6, STATE, generator=draw)
    causal = torch.zeros(1, 1, 6, 6).masked_fill(torch.ones(6, 6).triu(1).bool(), -torch.inf)
    with torch.inference_mode():
        found = block._recur(values, into, out_of, step, causal)[0].view(6, 2, 2)
        for head in range(2):
            state = torch.zeros(2, STATE)
            for place in range(6):
                dt, x = step[0, place, head], values[0, place].view(2, 2)[head]
                state = torch.exp(-block.log_decay[head].exp() * dt) * state + dt * torch.outer(
                    x, into[0, place]
                )
                wanted = state @ out_of[0, place] + block.skip[head, 0] * x
                torch.testing.assert_close(found[place, head], wanted, atol=1e-4, rtol=1e-4)


def test_a_long_time_between_two_events_is_a_factor_of_what_is_left():
    """log L gets -2 between the first and the second place: exp(-2) of the first's part is left there."""
    draw = torch.Generator().manual_seed(1)
    block = StateSpaceBlock(4, 1, 0.0)
    parts = [torch.randn(1, 2, width, generator=draw) for width in (4, STATE, STATE)]
    step, causal = torch.rand(1, 2, 1, generator=draw), torch.tensor([[[[0.0, -torch.inf], [0.0, 0.0]]]])
    paused = causal + torch.tensor([[[[0.0, 0.0], [-2.0, 0.0]]]])
    alone = causal + torch.tensor([[[[0.0, 0.0], [-torch.inf, 0.0]]]])
    with torch.inference_mode():
        whole, left, own = (block._recur(*parts, step, bias)[0, 1] for bias in (causal, paused, alone))
    torch.testing.assert_close(left - own, torch.exp(torch.tensor(-2.0)) * (whole - own))
