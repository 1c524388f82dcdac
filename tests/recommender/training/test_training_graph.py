from dataclasses import replace

import torch

from components.recommender.sequences import TrainingSequences
from components.recommender.training.training_config import TrainingConfig
from components.recommender.training.training_graph import training_graph

TAKEN = TrainingSequences.from_lists([["a", "b", "c"], ["a", "b", "b"], ["c"]])


def users_and_items(graph) -> list[list[int]]:
    return graph.to_users.to_dense().bool().int().tolist()


def test_a_pair_counts_once_and_what_is_held_out_not_at_all():
    """The last event of users with three: c of the first; the second has b before it too."""
    whole = training_graph(TAKEN, TrainingConfig(validation="none"))
    assert users_and_items(whole) == [[1, 1, 1], [1, 1, 0], [0, 0, 1]]
    known = training_graph(TAKEN, TrainingConfig(validation="last"))
    assert users_and_items(known) == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_what_is_no_target_is_history_all_the_same():
    weighted = TrainingSequences.from_lists([["a", "b"], ["c"]], weights=[[0.0, 1.0], [1.0]])
    plain = replace(weighted, weights=None)
    config = TrainingConfig(validation="none")
    found, wanted = (training_graph(one, config).to_items.to_dense() for one in (weighted, plain))
    assert torch.equal(found, wanted)
