"""The graph of who has what that a training may read: without what is held out, which it is stopped by."""

from __future__ import annotations

from components.recommender.networks.item_graph import ItemGraph, item_graph
from components.recommender.sequences import TrainingSequences
from components.recommender.training.training_config import TrainingConfig
from components.recommender.training.validation import held_out


def training_graph(sequences: TrainingSequences, config: TrainingConfig) -> ItemGraph:
    """Events that are no targets (of weight 0) are history all the same, and count."""
    kept = ~held_out(sequences, config)
    return item_graph(
        sequences.user_of_event()[kept],
        sequences.items[kept],
        num_users=sequences.num_users,
        num_items=sequences.num_items,
    )
