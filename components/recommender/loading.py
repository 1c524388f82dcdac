"""Open a saved arm, whichever it is; the others are not loaded (EASE brings SciPy)."""

from __future__ import annotations

from pathlib import Path

from components.compute import ON_CPU, Compute
from components.recommender.arm import Arm
from components.recommender.weights import ARM, CheckpointMismatch, read_arm


def load_arm(folder: Path, compute: Compute = ON_CPU) -> Arm:
    """The arm that was saved into `folder`, its network ranking as `compute` says; arms without one stay on the CPU.

    Raises DeviceUnavailable; CheckpointMismatch when the folder holds no arm, an arm this code does not know, or files
    that do not belong together.
    """
    name, config = read_arm(folder)
    try:
        match name:
            case "mmgrec":
                from components.recommender.arms.mmgrec import load_mmgrec

                return load_mmgrec(folder, config, compute)
            case (
                "sasrec"
                | "semantic_sasrec"
                | "hstu"
                | "hstu_text"
                | "m2trec"
                | "fmlp"
                | "gru4rec"
                | "bert4rec"
                | "gsasrec"
                | "tim4rec"
                | "lightgcn"
                | "alpharec"
                | "rlmrec"
                | "onepiece"
            ):
                from components.recommender.arms.dense_arm import load_dense

                return load_dense(folder, name, config, compute)
            case "fusion":
                from components.recommender.arms.fusion import load_fusion

                return load_fusion(folder, config, compute)
            case "pisa":
                from components.recommender.arms.pisa import load_pisa

                return load_pisa(folder, config, compute)
            case "multitron":
                from components.recommender.arms.multitron import load_multitron

                return load_multitron(folder, config, compute)
            case "tiger":
                from components.recommender.arms.tiger import load_tiger

                return load_tiger(folder, config, compute)
            case "ease":
                from components.recommender.arms.ease import load_ease

                return load_ease(folder, config)
            case "popularity" | "recent_popularity":
                from components.recommender.baselines.popularity import load_popularity

                return load_popularity(folder, name, config)
            case "random":
                from components.recommender.baselines.random_order import load_random

                return load_random(config)
    except (KeyError, TypeError) as error:  # a field that this version has not, or lacks
        raise CheckpointMismatch(
            f"{folder / ARM}: its config does not fit this version ({error}); check out the version that "
            "saved it, or train it anew with recloop retrain"
        ) from error
    raise CheckpointMismatch(
        f"{folder / ARM}: arm {name!r} is not one that this version knows: check out the version that saved it"
    )
