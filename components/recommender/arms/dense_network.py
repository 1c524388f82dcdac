"""The network of a dense arm, as its config says: item vectors, and what reads a history."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import Vocabulary
from components.recommender.networks.aligned_items import AlignedItems
from components.recommender.networks.aligned_network import AlignedNetwork
from components.recommender.networks.cloze_network import ClozeNetwork
from components.recommender.networks.content_items import ContentItems
from components.recommender.networks.graph_network import GraphNetwork
from components.recommender.networks.history_sum import HistorySum
from components.recommender.networks.item_embedding import ItemEmbedding
from components.recommender.networks.mixer import Mixer
from components.recommender.networks.mixer_networks import DenseNetwork
from components.recommender.networks.propagated_content import PropagatedContent
from components.recommender.networks.propagated_items import PropagatedItems
from components.recommender.networks.reasoning_mixer import ReasoningMixer
from components.recommender.networks.reasoning_network import ReasoningNetwork


def dense_network(vocabulary: Vocabulary, config: DenseConfig) -> DenseNetwork:
    trained = torch.from_numpy(np.flatnonzero(vocabulary.is_trained))
    against: dict[str, Any] = {
        "num_negatives": config.num_negatives,
        "calibration": config.calibration if config.loss == "gbce" else None,
    }
    if config.graph is not None:
        propagated = _propagated(vocabulary, config, config.graph.hops)
        length = None if config.temperature is None else 1 / config.temperature
        history = HistorySum(config.mixer.dim, config.graph.fading, length)
        if isinstance(propagated, AlignedItems):
            assert config.alignment is not None
            return AlignedNetwork(propagated, history, trained, alignment=config.alignment, **against)
        return GraphNetwork(propagated, history, trained, **against)
    items = embedding_of(vocabulary, config)
    if config.reasoning is not None:
        return ReasoningNetwork(items, ReasoningMixer(config.mixer, config.reasoning), trained, **against)
    mixer = Mixer(config.mixer)
    if config.cloze is not None:
        return ClozeNetwork(items, mixer, trained, cloze=config.cloze, **against)
    return DenseNetwork(items, mixer, trained, **against)


def _propagated(
    vocabulary: Vocabulary, config: DenseConfig, hops: int
) -> PropagatedItems | PropagatedContent | AlignedItems:
    if config.content is None:
        return PropagatedItems(len(vocabulary), config.mixer.dim, hops=hops)
    kind = PropagatedContent if config.alignment is None else AlignedItems
    is_trained, width = torch.from_numpy(vocabulary.is_trained), vocabulary.content_width
    return kind(is_trained, width, config.mixer.dim, config.content, hops=hops)


def embedding_of(vocabulary: Vocabulary, config: DenseConfig) -> ItemEmbedding:
    """Item vectors of codes, content or neither, and own ones, as the config says."""
    own: dict[str, Any] = {"free": config.free_vectors, "free_dropout": config.free_dropout}
    if config.content is not None:
        is_trained = torch.from_numpy(vocabulary.is_trained)
        return ContentItems(is_trained, vocabulary.content_width, config.mixer.dim, config.content, **own)
    return ItemEmbedding(
        torch.from_numpy(vocabulary.read_codes),
        vocabulary.num_codes,
        config.mixer.dim,
        **own,
    )
