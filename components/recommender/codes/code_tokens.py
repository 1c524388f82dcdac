"""Codes as tokens of one vocabulary: padding, then the codes of the first level, of the second, …"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

PADDING = 0  # also the token that starts the decoder, as in T5


@dataclass(frozen=True)
class CodeTokens:
    """One range of tokens a level, so a token says its level and its code."""

    num_codes: tuple[int, ...]  # of each level

    @property
    def num_levels(self) -> int:
        return len(self.num_codes)

    @property
    def vocabulary(self) -> int:
        return 1 + sum(self.num_codes)

    @property
    def first(self) -> list[int]:
        """Token of code 0 of each level."""
        return (1 + np.cumsum([0, *self.num_codes[:-1]])).tolist()

    def of_codes(self, codes: Int[Tensor, "* L"]) -> Int[Tensor, "* L"]:
        return codes + torch.tensor(self.first, device=codes.device)

    def of_histories(
        self, item_tokens: Int[Tensor, "item L"], items: Int[Tensor, "B P"], length: Int[Tensor, "B"]
    ) -> Int[Tensor, "B P*L"]:
        """Histories flattened, padded on the right; an empty batch of histories is one padding token wide."""
        if items.shape[1] == 0:
            return torch.full((len(items), 1), PADDING, device=items.device)
        is_real = torch.arange(items.shape[1], device=items.device) < length[:, None]
        return item_tokens[items].masked_fill(~is_real[:, :, None], PADDING).flatten(1)
