"""A made-up catalogue and a model of it at any size: codes of three levels, vectors that are what their codes say.

The model is where training begins: the mixer's blocks add nothing yet, so a state is the normalized vector of the last
item, and the tuple head scores a code by the vector that it has as input. Scores are then as far apart as a trained
model's, the beam has something to find, and no training is needed at a million items.

Shapes: I items, U users.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int

from components.recommender.arm import Histories
from components.recommender.arms.dense_arm import DenseArm
from components.recommender.arms.dense_arm import _network as dense_network
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.arms.mmgrec import MMGRecArm, MMGRecConfig
from components.recommender.arms.mmgrec import _network as generative_network
from components.recommender.codes.vocabulary import Vocabulary
from components.recommender.presets import default_mmgrec, default_sasrec

LEVELS, CODES = 3, 256
STRENGTHS = (
    0.75,
    0.5,
    0.35,
    0.25,
)  # length of what each level adds to a vector, and of what is the item's own
HISTORY, USERS = 10, 256


def prepare(folder: Path, num_items: int) -> None:
    """Codes, vectors and histories of a catalogue, as arrays in `folder`."""
    rng, dim = np.random.default_rng(0), default_mmgrec().mixer.dim
    root = float(dim) ** 0.5
    # some codes are several times as frequent as others, as a tokenizer's are
    frequent = [rng.dirichlet(np.full(CODES, 2.0)) for _ in range(LEVELS)]
    codes = np.stack([rng.choice(CODES, num_items, p=share) for share in frequent], axis=1)
    codes = np.column_stack([codes, collisions(codes)])
    books = rng.standard_normal((LEVELS, CODES, dim)).astype(np.float32) / root
    vectors = STRENGTHS[LEVELS] / root * rng.standard_normal((num_items, dim), dtype=np.float32)
    for level in range(LEVELS):
        vectors += STRENGTHS[level] * books[level][codes[:, level]]
    np.save(folder / "codes.npy", codes)
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "histories.npy", rng.integers(0, num_items, (USERS, HISTORY)))


def collisions(codes: Int[np.ndarray, "item level"]) -> Int[np.ndarray, "item"]:
    """How many items before it have the same codes."""
    _, group = np.unique(codes, axis=0, return_inverse=True)
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group)
    token = np.empty(len(codes), dtype=np.int64)
    token[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return token


def _read(folder: Path, name: str) -> np.ndarray:
    found: np.ndarray = np.load(folder / f"{name}.npy")
    return found


def item_ids(num_items: int) -> np.ndarray:
    """Read-only, as a server's catalogue: what an arm derives from it is kept."""
    ids = np.array([f"{item:07d}" for item in range(num_items)], dtype=object)
    ids.flags.writeable = False
    return ids


def generative_arm(folder: Path) -> MMGRecArm:
    codes = _read(folder, "codes")
    sizes = (*(CODES,) * LEVELS, int(codes[:, -1].max()) + 1)
    vocabulary = Vocabulary(
        item_ids=item_ids(len(codes)),
        codes=codes,
        is_trained=np.ones(len(codes), dtype=bool),
        num_codes=sizes,
    )
    torch.manual_seed(0)
    config: MMGRecConfig = default_mmgrec()
    network = generative_network(vocabulary, config)
    network.begin_at(torch.from_numpy(_read(folder, "vectors")))
    return MMGRecArm(vocabulary=vocabulary, config=config, network=network)


def dense_arm(folder: Path) -> DenseArm:
    vectors = _read(folder, "vectors")
    vocabulary = Vocabulary(
        item_ids=item_ids(len(vectors)),
        codes=np.zeros((len(vectors), 0), dtype=np.int64),
        is_trained=np.ones(len(vectors), dtype=bool),
        num_codes=(),
    )
    torch.manual_seed(0)
    config: DenseConfig = default_sasrec()
    network = dense_network(vocabulary, config)
    network.begin_at(torch.from_numpy(vectors))
    return DenseArm(name="sasrec", vocabulary=vocabulary, config=config, network=network)


def histories(folder: Path, catalogue: np.ndarray) -> Histories:
    """Of all users, ten items each."""
    items = _read(folder, "histories")
    ends = np.arange(1, len(items) + 1) * HISTORY
    return Histories(
        catalogue=catalogue,
        items=items.ravel(),
        times=np.tile(np.arange(HISTORY), len(items)),
        start=ends - HISTORY,
        end=ends,
    )


def share_found(found: Int[np.ndarray, "U k"], wanted: Int[np.ndarray, "U k"]) -> float:
    """Recall: the share of the wanted items that stand in the lists."""
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, wanted, strict=True)]))


def write_queries(folder: Path, states: Float[np.ndarray, "U dim"], exact: Int[np.ndarray, "U k"]) -> None:
    """What the index is asked, and the exact lists (seen items left out) that it is held against."""
    np.save(folder / "states.npy", states)
    np.save(folder / "exact.npy", exact)
