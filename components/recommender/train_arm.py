"""The arms that a cycle may train, by name, each with its shipped preset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from components.compute import ON_CPU, Compute
from components.recommender import presets
from components.recommender.arm import Arm, ArmName
from components.recommender.arms.ease import fit_ease
from components.recommender.arms.hstu import train_hstu
from components.recommender.arms.mmgrec import train_mmgrec
from components.recommender.arms.sasrec import train_sasrec
from components.recommender.arms.semantic_sasrec import train_semantic_sasrec
from components.recommender.arms.tiger import train_tiger
from components.recommender.sequences import TrainingSequences
from components.recommender.training.step import OnStep


def train_challenger(
    name: ArmName,
    sequences: TrainingSequences,
    codes: Int[np.ndarray, "item level"],
    num_codes: Sequence[int],
    *,
    quick: bool,
    seed: int,
    compute: Compute = ON_CPU,
    on_step: OnStep | None = None,
    checkpoint: Path | None = None,
) -> Arm:
    """Train the arm with its shipped preset, or the one for tests.

    `codes` and `num_codes` (the tokenizer's table sizes) are not looked at by arms outside SEMANTIC_ID_ARMS; EASE,
    solved in seconds, has no steps, no device and no checkpoint. Raises what the arm's own training raises.
    """
    density = presets.density_of(sequences)
    match name:
        case "mmgrec" | "mmgrec_paper":
            generative = presets.quick_mmgrec() if quick else presets.default_mmgrec(density)
            return train_mmgrec(
                sequences,
                codes,
                presets.paper_mmgrec() if name == "mmgrec_paper" else generative,
                seed=seed,
                num_codes=num_codes,
                compute=compute,
                on_step=on_step,
                checkpoint=checkpoint,
            )
        case "tiger":
            return train_tiger(
                sequences,
                codes,
                presets.quick_tiger() if quick else presets.default_tiger(),
                seed=seed,
                num_codes=num_codes,
                compute=compute,
                on_step=on_step,
                checkpoint=checkpoint,
            )
        case "semantic_sasrec":
            return train_semantic_sasrec(
                sequences,
                codes,
                presets.quick_sasrec() if quick else presets.default_semantic_sasrec(density),
                seed=seed,
                num_codes=num_codes,
                compute=compute,
                on_step=on_step,
                checkpoint=checkpoint,
            )
        case "sasrec":
            dense = presets.quick_sasrec() if quick else presets.default_sasrec(density)
            return train_sasrec(
                sequences, dense, seed=seed, compute=compute, on_step=on_step, checkpoint=checkpoint
            )
        case "hstu":
            gated = presets.quick_hstu() if quick else presets.default_hstu(density)
            return train_hstu(
                sequences, gated, seed=seed, compute=compute, on_step=on_step, checkpoint=checkpoint
            )
        case "ease":
            return fit_ease(sequences, presets.default_ease())
