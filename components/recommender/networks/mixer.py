"""Sequence mixer: causal blocks over one position per item, attention with the relation term of MMGRec among them.

Relation-aware attention (Liu et al. 2024, arXiv:2404.16555): beside the heads' own queries and keys, one
bilinear term of the two items, shared by the heads and scaled by gates of the user, enters scores and values.
The published user vector is free, so a new user has none; here it is the mean of the item vectors of the
history so far, which is inductive and, taken at each query, causal. Since the gates of query, key and value
then belong to the query's place, g_q g_k scales the relation query, and g_v what the relation values bring.

Shapes: B histories, P places (a learned start, then the items), N places after others, M those and the others,
h heads, d dim, c head dim, r relation dim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from components.recommender.networks.fast_dropout import fast_dropout
from components.recommender.networks.filter_block import FilterBlock
from components.recommender.networks.hstu_block import HSTUBlock, start_at_nothing
from components.recommender.networks.recurrent_block import RecurrentBlock
from components.recommender.networks.state_space_block import StateSpaceBlock

NUM_GAP_BUCKETS = 32  # log2 of seconds: 2**31 s is 68 years
KeysValues = tuple[Float[Tensor, "B h M c"], Float[Tensor, "B h M c"]]
BlockName = Literal["attention", "hstu", "fmlp", "gru", "ssm"]
_SCORING: tuple[BlockName, ...] = (
    "attention",
    "hstu",
    "ssm",
)  # score pairs of places: what a bias is added to


@dataclass(frozen=True, kw_only=True)
class MixerConfig:
    """Size and switches of the mixer."""

    block: BlockName = "attention"
    dim: int = 64
    num_layers: int = 2
    num_heads: int = 2
    max_length: int = 50  # latest events of a history that are read
    dropout: float = 0.3
    relation_dim: int = 32  # 0 leaves the relation term out: plain attention
    position: bool = (
        True  # a bias per head and distance from the query, where the block scores pairs of places
    )
    time_gaps: bool = False  # a bias per head and log2 of the seconds between two events
    bidirectional: bool = False  # a place reads those after it too; for the cloze objective

    def __post_init__(self) -> None:
        if self.dim % self.num_heads:
            raise ValueError(f"dim {self.dim} is no multiple of num_heads {self.num_heads}")
        if self.block not in get_args(BlockName):
            raise ValueError(f"block is {self.block!r}; it is one of {', '.join(get_args(BlockName))}")
        if self.block != "attention" and self.relation_dim:
            raise ValueError(f"the relation term belongs to attention: relation_dim is 0 with {self.block}")
        if self.block not in _SCORING and self.time_gaps:
            raise ValueError(f"{self.block} scores no pairs of places, so it has no time_gaps")
        if self.bidirectional and (self.block != "attention" or self.relation_dim or self.time_gaps):
            raise ValueError("only plain attention is bidirectional: no relation_dim, no time_gaps")
        if self.max_length < 1:
            raise ValueError(f"max_length is {self.max_length}; a history needs at least one place")

    @property
    def is_plain(self) -> bool:
        """Whether places attend to what is before them and themselves, by vectors and distance alone."""
        return self.block == "attention" and not (self.relation_dim or self.time_gaps or self.bidirectional)


class Mixer(nn.Module):
    """Item vectors of histories in, one state per place out; state p has read the first p items."""

    def __init__(self, config: MixerConfig) -> None:
        super().__init__()
        self.config = config
        self.start = nn.Parameter(torch.randn(config.dim) * 0.02)
        self.blocks = nn.ModuleList(_block(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(config.dim)
        # by distance back from the query; with places on both sides, and the one that is asked for, from the middle
        distances = 2 * config.max_length + 3 if config.bidirectional else config.max_length + 1
        scores = config.block in _SCORING
        self.position = nn.Parameter(torch.zeros(config.num_heads, distances)) if scores else None
        self.gaps = nn.Parameter(torch.zeros(config.num_heads, NUM_GAP_BUCKETS)) if config.time_gaps else None

    def forward(
        self,
        vectors: Float[Tensor, "B P_minus_1 d"],
        times: Int[Tensor, "B P_minus_1"],
        is_padding: Bool[Tensor, "B P_minus_1"] | None = None,
        added: Float[Tensor, "d"] | None = None,
    ) -> Float[Tensor, "B P d"]:
        """`is_padding` is for a bidirectional mixer, which would read it; the others never look there.

        `added` is what stands at every place beside what was there, such as what is to be aimed at.
        """
        x = torch.cat([self.start.expand(len(vectors), 1, -1), vectors], dim=1)
        if added is not None:
            x = x + added
        places = torch.arange(1, x.shape[1] + 1, device=x.device)
        # a running mean, not the history's: a place may not know what comes after it
        user = x.cumsum(dim=1) / places[:, None] if self.config.relation_dim else None
        bias = self._both_sides(is_padding) if is_padding is not None else self._bias(x.shape[1], times)
        x = fast_dropout(x, self.config.dropout, self.training)
        for block in self.blocks:
            x = block(x, user, bias)
        return self.norm(x)

    def _both_sides(self, is_padding: Bool[Tensor, "B P_minus_1"]) -> Float[Tensor, "B #h P P"]:
        """What is added to the attention scores of a bidirectional mixer: -inf at padding, a number a distance."""
        hidden = F.pad(is_padding, (1, 0))[:, None, None]  # the start is none
        at = torch.arange(hidden.shape[-1], device=hidden.device)
        bias = torch.zeros(hidden.shape, device=hidden.device).masked_fill(hidden, -torch.inf)
        bias = bias.expand(-1, -1, len(at), -1)
        if self.config.position and self.position is not None:
            bias = bias + self.position[:, at[:, None] - at + self.config.max_length + 1]
        return bias

    def _bias(self, places: int, times: Int[Tensor, "B P_minus_1"]) -> Float[Tensor, "#B #h P P"]:
        """What is added to the attention scores: -inf ahead of the query, then the switched-on terms."""
        at = torch.arange(places, device=times.device)
        distance = at[:, None] - at
        ahead = torch.zeros(places, places, device=times.device).masked_fill(distance < 0, -torch.inf)
        bias = ahead[None, None]
        if self.config.position and self.position is not None:
            bias = bias + self.position[:, distance.clamp(min=0)]
        if self.gaps is not None:
            # the start has no second of its own: it takes the first event's, a gap of zero
            opened = times[:, :1] if places > 1 else times.new_zeros(len(times), 1)  # the start's moment
            moments = torch.cat([opened, times], dim=1)
            gap = (moments[:, :, None] - moments[:, None, :]).clamp(min=0)
            # one second more, so that a gap of none has bucket 0 and not log 0
            bucket = torch.log2(gap.float() + 1).long().clamp(max=NUM_GAP_BUCKETS - 1)
            bias = bias + self.gaps[:, bucket].transpose(0, 1)
        return bias


def _block(config: MixerConfig) -> nn.Module:
    match config.block:
        case "hstu":
            return HSTUBlock(config.dim, config.num_heads, config.dropout)
        case "fmlp":
            return FilterBlock(config.dim, config.max_length + 1, config.dropout)
        case "gru":
            return RecurrentBlock(config.dim, config.dropout)
        case "ssm":
            return StateSpaceBlock(config.dim, config.num_heads, config.dropout)
        case "attention":
            return AttentionBlock(config)


class AttentionBlock(nn.Module):
    """Pre-norm attention and feed-forward. The feed-forward is `FeedForward`, layer by layer in the block itself, since
    weights that were saved before there was one go by these names.
    """

    def __init__(self, config: MixerConfig) -> None:
        super().__init__()
        self.dropout, self.num_heads = config.dropout, config.num_heads
        self.norm_attention, self.norm_forward = nn.LayerNorm(config.dim), nn.LayerNorm(config.dim)
        self.qkv, self.out = nn.Linear(config.dim, 3 * config.dim), nn.Linear(config.dim, config.dim)
        self.relation = Relation(config) if config.relation_dim else None
        self.widen, self.narrow = nn.Linear(config.dim, 4 * config.dim), nn.Linear(4 * config.dim, config.dim)
        start_at_nothing(self.out, self.narrow)

    def forward(
        self, x: Float[Tensor, "B P d"], user: Float[Tensor, "B P d"] | None, bias: Float[Tensor, "#B #h P P"]
    ) -> Float[Tensor, "B P d"]:
        return self._onward(x, self._attend(self.norm_attention(x), user, bias))

    def after(
        self, x: Float[Tensor, "B N d"], before: KeysValues | None, bias: Float[Tensor, "#B #h N M"]
    ) -> tuple[Float[Tensor, "B N d"], KeysValues]:
        """Places that come after others, of which keys and values suffice; and those of all. For plain attention.

        Holds: a whole pass gives what its places give in parts, one after the other.
        """
        q, k, v = self._heads(self.norm_attention(x))
        if before is not None:
            k, v = torch.cat([before[0], k], dim=2), torch.cat([before[1], v], dim=2)
        mixed = F.scaled_dot_product_attention(
            q, k, v, attn_mask=bias, dropout_p=self.dropout if self.training else 0.0
        )
        return self._onward(x, mixed.transpose(1, 2).flatten(2)), (k, v)

    def _onward(self, x: Float[Tensor, "B P d"], attended: Float[Tensor, "B P d"]) -> Float[Tensor, "B P d"]:
        x = x + fast_dropout(self.out(attended), self.dropout, self.training)
        hidden = fast_dropout(F.gelu(self.widen(self.norm_forward(x))), self.dropout, self.training)
        return x + fast_dropout(self.narrow(hidden), self.dropout, self.training)

    def _heads(self, x: Float[Tensor, "B P d"]) -> Float[Tensor, "3 B h P c"]:
        """Query, key and value of each head."""
        batch, places, dim = x.shape
        return (
            self.qkv(x).view(batch, places, 3, self.num_heads, dim // self.num_heads).permute(2, 0, 3, 1, 4)
        )

    def _attend(
        self, x: Float[Tensor, "B P d"], user: Float[Tensor, "B P d"] | None, bias: Float[Tensor, "#B #h P P"]
    ) -> Float[Tensor, "B P d"]:
        batch, places, dim = x.shape
        head_dim = dim // self.num_heads
        q, k, v = self._heads(x)
        gate_value = None
        if self.relation is not None and user is not None:
            relation_q, relation_k, relation_v, gate_value = self.relation(x, user)
            q = torch.cat([q, relation_q[:, None].expand(-1, self.num_heads, -1, -1)], dim=-1)
            k = torch.cat([k, relation_k[:, None].expand(-1, self.num_heads, -1, -1)], dim=-1)
            v = torch.cat([v, relation_v[:, None].expand(-1, self.num_heads, -1, -1)], dim=-1)
        mixed = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=bias,
            dropout_p=self.dropout if self.training else 0.0,
            scale=head_dim**-0.5,
        )
        if gate_value is not None:
            mixed = mixed[..., :head_dim] + gate_value[:, None] * mixed[..., head_dim:]
        return mixed.transpose(1, 2).reshape(batch, places, dim)


class Relation(nn.Module):
    """The bilinear term between two items, and the user's three gates."""

    def __init__(self, config: MixerConfig) -> None:
        super().__init__()
        r, head_dim = config.relation_dim, config.dim // config.num_heads
        self.query, self.key = nn.Linear(config.dim, r, bias=False), nn.Linear(config.dim, r, bias=False)
        self.value = nn.Linear(config.dim, head_dim, bias=False)
        open_gates = nn.Linear(32, 3)
        nn.init.ones_(open_gates.bias)
        self.gates = nn.Sequential(nn.Linear(config.dim, 32), nn.ReLU(), open_gates)

    def forward(
        self, x: Float[Tensor, "B P d"], user: Float[Tensor, "B P d"]
    ) -> tuple[
        Float[Tensor, "B P r"], Float[Tensor, "B P r"], Float[Tensor, "B P c"], Float[Tensor, "B P 1"]
    ]:
        gate_q, gate_k, gate_v = self.gates(user).split(1, dim=-1)
        return gate_q * gate_k * self.query(x), self.key(x), self.value(x), gate_v
