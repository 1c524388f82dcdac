"""SASRec with full softmax: the baseline that a generative arm has to face.

Source: Kang and McAuley 2018, arXiv:1808.09781, trained by cross-entropy over all items at every real target
(the loss matters more than the architecture).
"""

from __future__ import annotations

from pathlib import Path

from components.compute import ON_CPU, Compute
from components.recommender.arms.dense_arm import DenseArm, DenseConfig, train_dense
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.sequences import TrainingSequences
from components.recommender.training.step import OnStep


def train_sasrec(
    sequences: TrainingSequences,
    config: DenseConfig,
    *,
    seed: int,
    compute: Compute = ON_CPU,
    on_step: OnStep | None = None,
    checkpoint: Path | None = None,
    begin: DenseArm | None = None,
) -> DenseArm:
    """Train SASRec on the items that occur. Raises TrainingDiverged when the loss is no number."""
    vocabulary = vocabulary_of(sequences)
    return train_dense(
        "sasrec",
        sequences,
        vocabulary,
        config,
        seed=seed,
        compute=compute,
        on_step=on_step,
        checkpoint=checkpoint,
        begin=begin,
    )
