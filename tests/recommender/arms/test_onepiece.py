"""Two look-ups in a row, of which the second asks for what the first has found."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from components.recommender.arms.dense_arm import DenseArm, train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.networks.graph_network import Graph
from components.recommender.networks.reasoning_mixer import Reasoning
from components.recommender.sequences import TrainingSequences
from tests.recommender.examples import SHORT, SMALL_MIXER, histories_of, item_names

KINDS = 6
# an item of each kind for each other kind that it leads to; a doorway to each kind, and a shortcut past it
NUM_ITEMS = KINDS * KINDS + 2 * KINDS
DOORWAY, SHORTCUT = KINDS * KINDS, KINDS * KINDS + KINDS
CONFIG = DenseConfig(
    mixer=replace(SMALL_MIXER, relation_dim=0, dim=32, max_length=32),
    training=replace(SHORT, epochs=30, batch_size=32, stride=32),
)


def owned(num_users: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """[user, kind] where the user's own item of each kind leads to, and that item."""
    leads = (np.arange(KINDS) + rng.integers(1, KINDS, (num_users, KINDS))) % KINDS
    return leads, np.arange(KINDS) * KINDS + leads


def walks(num_users: int, seed: int) -> list[list[int]]:
    """Own items in any order, a doorway, and again the own item behind it, the one that this leads to, and so on."""
    rng = np.random.default_rng(seed)
    lists = []
    for leads, items in zip(*owned(num_users, rng), strict=True):
        kind, walk = rng.integers(KINDS), rng.permutation(items).tolist()
        walk.append(DOORWAY + kind)
        for _ in range(5):
            walk.append(items[kind])
            kind = leads[kind]
        lists.append(walk)
    return lists


def skips(num_users: int, seed: int, *, times: int) -> list[list[int]]:
    """Own items in any order, and so many times a shortcut, with the own item that the one behind it leads to."""
    rng = np.random.default_rng(seed)
    lists = []
    for leads, items in zip(*owned(num_users, rng), strict=True):
        walk = rng.permutation(items).tolist()
        for kind in rng.integers(0, KINDS, times):
            walk += [SHORTCUT + kind, items[leads[kind]]]
        lists.append(walk)
    return lists


def trained(reasoning: Reasoning | None) -> DenseArm:
    torch.set_num_threads(1)
    names = item_names(NUM_ITEMS)
    lists = walks(400, seed=0) + skips(400, seed=1, times=3)
    sequences = TrainingSequences.from_lists([names[one].tolist() for one in lists], item_ids=names)
    config = replace(CONFIG, reasoning=reasoning)
    return train_dense(
        "onepiece" if reasoning else "sasrec", sequences, vocabulary_of(sequences), config, seed=0
    )


def share_found(arm: DenseArm, lists: list[list[int]]) -> float:
    """How often the last item of a list comes first after the others."""
    asked = histories_of(item_names(NUM_ITEMS), [one[:-1] for one in lists])
    first = arm.recommend(asked, k=1, exclude_seen=False).items[:, 0]
    return float(np.mean(first == [one[-1] for one in lists]))


def test_what_is_found_can_be_asked_for_again_by_steps_and_by_one_layer_it_cannot():
    """One layer finds an own item by its kind, with steps or without: what a doorway asks for.

    A shortcut asks for the kind that the item behind it leads to, which is known when that is found.
    """
    plain, stepwise = trained(None), trained(Reasoning())
    doorways = [one[: KINDS + 2] for one in walks(300, seed=2)]
    shortcuts = skips(300, seed=3, times=1)
    assert min(share_found(plain, doorways), share_found(stepwise, doorways)) >= 0.95
    assert share_found(stepwise, shortcuts) >= 0.85
    assert share_found(plain, shortcuts) <= 0.75


@pytest.mark.parametrize(
    "other",
    [
        {"graph": Graph(hops=1)},
        {"mixer": replace(CONFIG.mixer, time_gaps=True)},
        {"mixer": replace(CONFIG.mixer, relation_dim=4)},
        {"mixer": replace(CONFIG.mixer, block="fmlp")},
    ],
)
def test_layers_that_cannot_be_passed_again_are_refused(other):
    with pytest.raises(ValueError, match="reasoning passes layers of plain causal attention again"):
        replace(CONFIG, reasoning=Reasoning(), **other)
