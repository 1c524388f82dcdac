"""Semantic IDs of a data set for the arms: the project's tokenizer, fitted on the training part alone.

Edges come from training events only; content knows no event. Kept on disk by events, seed and configuration,
since several arms read the same.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from components.artifact import digest_of
from components.features.vectors import ItemVectors
from components.recommender.sequences import TrainingSequences
from components.tokenizer.choices import tokenizer_config
from components.tokenizer.fit import Fitted, fit_tokenizer
from components.tokenizer.ids import SemanticIds, read_ids, with_collision_tokens, write_ids
from components.tokenizer.names import DEFAULT, TokenizerName
from tests.benchmarks.datasets import Dataset


@dataclass(frozen=True, kw_only=True)
class Codes:
    """Full tuples in the order of the data set's items, the collision token last."""

    table: Int[np.ndarray, "item token"]
    cpu_seconds: float  # of encoding the content and of the fit


def semantic_codes(data: Dataset, seed: int, cache: Path, tokenizer: TokenizerName = DEFAULT) -> Codes:
    config = tokenizer_config(tokenizer, "default", seed=seed)
    made_of = digest_of([config.to_dict(), _shape(data)])
    path = cache / f"{data.name}__{seed}__{made_of[:8]}.parquet"
    cost = path.with_suffix(".json")
    if not cost.is_file():
        begin = time.process_time()
        training = data.events.training()
        fitted = fit_on_training(training, data.content(), seed, tokenizer)
        cache.mkdir(parents=True, exist_ok=True)
        write_ids(first_ids(training, fitted), path)
        cost.write_text(json.dumps({"cpu_seconds": time.process_time() - begin}))
    return Codes(table=read_ids(path).codes, **json.loads(cost.read_text()))


def _shape(data: Dataset) -> list[object]:
    """Tells apart two folders of one name, and one before and after it was mended; images and sound aside."""
    events = hashlib.sha256(data.events.items.tobytes() + data.events.offsets.tobytes())
    return [events.hexdigest(), data.catalogue.to_json()]


def random_codes(codes: Codes, seed: int) -> Codes:
    """The same tuples on other items: what a tuple tells is gone, its shape is not."""
    order = np.random.default_rng(seed).permutation(len(codes.table))
    return Codes(table=codes.table[order], cpu_seconds=codes.cpu_seconds)


def fit_on_training(
    training: TrainingSequences, content: ItemVectors, seed: int, tokenizer: TokenizerName = DEFAULT
) -> Fitted:
    vectors, present = modalities(content)
    return fit_tokenizer(
        vectors,
        present,
        training_edges(training),
        training.num_users,
        tokenizer_config(tokenizer, "default", seed=seed),
    )


def first_ids(training: TrainingSequences, fitted: Fitted) -> SemanticIds:
    popularity = np.bincount(training.items, minlength=training.num_items)
    return with_collision_tokens(training.item_ids, fitted.codes, popularity)


def training_edges(training: TrainingSequences) -> Int[np.ndarray, "2 edge"]:
    """Distinct (user, item) pairs, ascending."""
    pairs = np.unique(training.user_of_event().astype(np.int64) * training.num_items + training.items)
    return np.stack([pairs // training.num_items, pairs % training.num_items])


def modalities(
    content: ItemVectors, rows: Bool[np.ndarray, "item"] | slice = slice(None)
) -> tuple[dict[str, Float[np.ndarray, "item dim"]], dict[str, Bool[np.ndarray, "item"]]]:
    """Vectors and masks of some items; one empty modality where the data set has no content."""
    if not content.modalities:
        chosen = np.zeros((len(content), 1), dtype=np.float32)[rows]
        return {"metadata": chosen}, {"metadata": np.zeros(len(chosen), dtype=bool)}
    return (
        {name: content.vectors[name][rows] for name in content.modalities},
        {name: content.present[name][rows] for name in content.modalities},
    )
