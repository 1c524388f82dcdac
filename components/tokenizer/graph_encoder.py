"""Graph encoder: content and graph in, one vector an item out; new items by content alone.

Shapes: content = standardized modalities and presence bits, start = an item's place in taste space.

Source: MMGRec, Liu et al. 2024, arXiv:2404.16555, section 3.2 (mean GraphSAGE, BPR), with three changes:
an item starts from its place in taste space and the layers learn a correction to it; a user is the mean
of the items at hand, so that a new one has a place; and the edges that BPR ranks are hidden from the layers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from components.adamw import AdamW
from components.compute import ON_CPU, Compute
from components.tokenizer.config import GraphConfig
from components.tokenizer.factors import Evidence, TasteSpace, starting_points
from components.tokenizer.graph import Graph, Operator
from components.tokenizer.reproducible import finite_loss


class GraphEncoder(nn.Module):
    """Mean-GraphSAGE over items two hops apart, added to the place that an item starts from."""

    def __init__(self, content_dim: int, config: GraphConfig) -> None:
        super().__init__()
        self.factor_dim, self.dim = config.factor_dim, config.dim
        confidence_dim = 1 if config.factor_dim else 0
        # one map of everything side by side: a sum of one linear map per modality, missing ones zero
        self.fuse = nn.Linear(content_dim + config.factor_dim + confidence_dim, config.hidden_dim)
        widths = [config.hidden_dim] * config.num_layers + [config.dim]
        pairs = list(itertools.pairwise(widths))
        self.own = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)
        self.neighbours = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairs)

    def forward(
        self,
        content: Float[Tensor, "item content"],
        start: Float[Tensor, "item factor"],
        confidence: Float[Tensor, "item"],
        to_users: Operator,
        to_items: Operator,
    ) -> Float[Tensor, "item dim"]:
        """Items with neither content nor edges all land on one point, which is finite."""
        inputs = [content, start, confidence.unsqueeze(1)] if self.factor_dim else [content]
        h = self.fuse(torch.cat(inputs, dim=1))
        last = len(self.own) - 1
        for layer, (own, neighbours) in enumerate(zip(self.own, self.neighbours, strict=True)):
            # two hops: a user is no node with a vector of its own, but the mean of its items
            h = own(h) + neighbours(to_items(to_users(h)))
            h = h if layer == last else F.leaky_relu(h)
        return F.pad(start, (0, self.dim - self.factor_dim)) + h / 2


def train_graph_encoder(
    encoder: GraphEncoder,
    content: Float[Tensor, "item content"],
    space: TasteSpace,
    evidence: Evidence,
    graph: Graph,
    config: GraphConfig,
    generator: torch.Generator,
    on_step: Callable[[int, float], None],
    compute: Compute = ON_CPU,
) -> None:
    """BPR on edges hidden from the layers; some items lose edges and evidence, as a new item would.

    A user is scored by the mean of its visible items' embeddings. Without edges, or with one item, there
    is nothing to rank and the encoder stays as it is. What is random is drawn on the CPU, so that every device
    sees the same steps; the encoder is back there when this returns. Raises DeviceUnavailable, TrainingDiverged.
    """
    device = compute.usable_device()
    users, items = graph.by_user
    if not len(users) or graph.num_items < 2:
        return
    informed = starting_points(space, evidence, content)
    # where an item would start that nobody has used: what `blind` items are shown instead of their own place
    blank = Evidence(factors=torch.zeros_like(evidence.factors), confidence=torch.zeros(graph.num_items))
    guessed = starting_points(space, blank, content)
    informed, guessed, content = informed.to(device), guessed.to(device), content.to(device)
    confidence, there = evidence.confidence.to(device), graph.to(device)
    encoder.to(device)
    optimizer = AdamW(encoder.parameters(), lr=config.learning_rate, weight_decay=1e-4)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, config.steps)
    for step in range(config.steps):
        isolated = torch.rand(graph.num_items, generator=generator) < config.isolated_share
        blind = isolated | (torch.rand(graph.num_items, generator=generator) < config.factor_dropout)
        keep = (torch.rand(len(users), generator=generator) >= config.edge_dropout) & ~isolated[items]
        hidden = (~keep).nonzero().squeeze(1)
        # every edge is visible, so there is none that the layers have not seen already
        if not len(hidden):
            continue
        drawn = hidden[torch.randint(len(hidden), (config.batch_size,), generator=generator)]
        others = torch.randint(graph.num_items, (config.num_negatives,), generator=generator)
        to_users, to_items = there.means(keep.to(device))
        sees = (~blind).to(device)
        start = torch.where(sees.unsqueeze(1), informed, guessed)
        with compute.autocast():
            z = encoder(content, start, confidence * sees, to_users, to_items)
            taste = to_users(z)[users[drawn].to(device)]
            wanted = (taste * z[items[drawn].to(device)]).sum(dim=1, keepdim=True)
            # BPR: -log sigmoid(wanted - other) is softplus(other - wanted)
            loss = F.softplus((taste @ z[others.to(device)].T).float() - wanted).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()
        on_step(step, finite_loss(loss, "graph", step))
    encoder.to("cpu")


@torch.no_grad()
def embed_items(
    encoder: GraphEncoder,
    content: Float[Tensor, "item content"],
    space: TasteSpace,
    evidence: Evidence,
    graph: Graph,
) -> Float[Tensor, "item dim"]:
    """Embeddings with every edge visible."""
    return encoder(content, starting_points(space, evidence, content), evidence.confidence, *graph.means())
