"""The graph encoder by itself: training ranks a user's items first, and new items have a place without edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from components.tokenizer.config import GraphConfig
from components.tokenizer.factors import Evidence, TasteSpace, fit_taste_space
from components.tokenizer.graph import Graph
from components.tokenizer.graph_encoder import GraphEncoder, embed_items, train_graph_encoder
from components.tokenizer.reproducible import reproducible

CONFIG = GraphConfig(dim=8, hidden_dim=8, factor_dim=4, steps=60, batch_size=128, num_negatives=16)


def _two_camps() -> tuple[Graph, torch.Tensor]:
    """20 users of items 0-9, 20 of items 10-19, each of five of them; content is noise of width 3."""
    rng = np.random.default_rng(0)
    edges = [
        (20 * camp + user, 10 * camp + item)
        for camp in (0, 1)
        for user in range(20)
        for item in rng.choice(10, 5, replace=False)
    ]
    content = torch.from_numpy(rng.normal(size=(20, 3)).astype(np.float32))
    return Graph.of(np.unique(np.array(edges).T, axis=1), 40, 20), content


def _trained(graph: Graph, content: torch.Tensor, config: GraphConfig):
    losses: list[float] = []
    with reproducible(3) as generator:
        space, evidence = fit_taste_space(graph, content, config.factor_dim, 5.0, generator)
        encoder = GraphEncoder(content.shape[1], config)
        train_graph_encoder(
            encoder, content, space, evidence, graph, config, generator, lambda _, loss: losses.append(loss)
        )
        return encoder, space, evidence, losses, embed_items(encoder, content, space, evidence, graph)


def _apart(z: torch.Tensor) -> float:
    """Mean cosine within the first camp, less that to the other, around the mean."""
    z = torch.nn.functional.normalize(z - z.mean(dim=0), dim=1)
    likeness = z @ z.T
    return float(likeness[:10, :10].mean() - likeness[:10, 10:].mean())


def test_training_brings_items_of_the_same_users_together():
    """Without a spectral start, against the same steps at no learning rate: what is found, was learned."""
    graph, content = _two_camps()
    blind = replace(CONFIG, factor_dim=0)
    *_, losses, z = _trained(graph, content, blind)
    *_, idle, untrained = _trained(graph, content, replace(blind, learning_rate=1e-12))
    assert len(losses) == CONFIG.steps
    assert np.mean(losses[-10:]) < np.mean(idle[-10:]) - 0.01
    assert _apart(z) > _apart(untrained) + 0.2


@pytest.mark.parametrize(
    ("edges", "items"), [(np.zeros((2, 0), dtype=np.int64), 20), (np.array([[0], [0]]), 1)]
)
def test_where_there_is_nothing_to_rank_the_encoder_stays_as_it_is(edges, items):
    graph, content = Graph.of(edges, 1, items), torch.ones(items, 3)
    *_, losses, z = _trained(graph, content, CONFIG)
    assert losses == []
    assert torch.isfinite(z).all()


def test_without_edges_an_item_is_placed_by_itself_alone():
    """Whoever stands beside it: the last row has the same embedding alone and among twenty."""
    graph, content = _two_camps()
    encoder, space, *_ = _trained(graph, content, CONFIG)

    def alone(rows: torch.Tensor) -> torch.Tensor:
        blank = Evidence(factors=torch.zeros(len(rows), 4), confidence=torch.zeros(len(rows)))
        lonely = Graph.of(np.zeros((2, 0), dtype=np.int64), 0, len(rows))
        return embed_items(encoder, rows, space, blank, lonely)

    torch.testing.assert_close(alone(content)[-1:], alone(content[-1:]))


def test_worked_example_of_a_start():
    """Layers that say 2 of everyone: an item is where it starts, padded with zeros, and half of what they say."""
    config = GraphConfig(dim=3, hidden_dim=2, num_layers=1, factor_dim=2)
    encoder = GraphEncoder(1, config)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.zero_()
        encoder.own[-1].bias.fill_(2.0)
    space = TasteSpace(
        smoothing=5.0, gain=torch.zeros(2), drift=torch.zeros(2), prior=torch.tensor([[4.0, 6.0]])
    )
    evidence = Evidence(factors=torch.tensor([[1.0, 2.0]]), confidence=torch.tensor([0.5]))
    lonely = Graph.of(np.zeros((2, 0), dtype=np.int64), 0, 1)
    # (1, 2) + (1 - .5) · 1 · (4, 6) = (3, 5), and 2/2 on top of each
    assert embed_items(encoder, torch.ones(1, 1), space, evidence, lonely).tolist() == [[4.0, 6.0, 1.0]]
