"""HSTU: a mixer without softmax and with a bias of time, trained by the same full softmax as SASRec.

Source: Zhai et al. 2024, arXiv:2402.17152.
"""

from __future__ import annotations

from pathlib import Path

from components.compute import ON_CPU, Compute
from components.recommender.arms.dense_arm import DenseArm, DenseConfig, train_dense
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.sequences import TrainingSequences
from components.recommender.training.step import OnStep


def train_hstu(
    sequences: TrainingSequences,
    config: DenseConfig,
    *,
    seed: int,
    compute: Compute = ON_CPU,
    on_step: OnStep | None = None,
    checkpoint: Path | None = None,
    begin: DenseArm | None = None,
) -> DenseArm:
    """Train HSTU on the items that occur. Raises TrainingDiverged when the loss is no number."""
    vocabulary = vocabulary_of(sequences)
    return train_dense(
        "hstu",
        sequences,
        vocabulary,
        config,
        seed=seed,
        compute=compute,
        on_step=on_step,
        checkpoint=checkpoint,
        begin=begin,
    )
