"""SASRec whose item vectors are sums of code embeddings: the dense control of the generative arm.

The same codes as input, the same mixer, no tuple loss and no generation: what the generative arm has beyond
this is what generation brings. Source of the idea: Singh et al. 2024, arXiv:2306.08121 (semantic IDs in place
of item ids in a ranking model).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from components.compute import ON_CPU, Compute
from components.recommender.arms.dense_arm import DenseArm, train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.sequences import TrainingSequences
from components.recommender.training.step import OnStep


def train_semantic_sasrec(
    sequences: TrainingSequences,
    codes: Int[np.ndarray, "item level"],
    config: DenseConfig,
    *,
    seed: int,
    num_codes: Sequence[int] | None = None,
    compute: Compute = ON_CPU,
    on_step: OnStep | None = None,
    checkpoint: Path | None = None,
    begin: DenseArm | None = None,
) -> DenseArm:
    """Train the dense control. `codes` are the items' full tuples; `num_codes` the tokenizer's table sizes.

    Raises CodeOutOfRange for a code beyond its table, TrainingDiverged when the loss is no number.
    """
    vocabulary = vocabulary_of(sequences, codes, num_codes)
    return train_dense(
        "semantic_sasrec",
        sequences,
        vocabulary,
        config,
        seed=seed,
        compute=compute,
        on_step=on_step,
        checkpoint=checkpoint,
        begin=begin,
    )
