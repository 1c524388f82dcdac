"""PyTorch's AdamW without the compiler that it loads when it is made.

PyTorch tells torch.compile to look into no optimizer, and loads it to tell it so: for a second and a half, in every
process that trains. Here networks are compiled, where asked, and steps never are.
"""

from __future__ import annotations

from inspect import unwrap

import torch


class AdamW(torch.optim.AdamW):
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), for code that is not compiled itself."""

    # each the method that torch.optim wraps
    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)
    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)
