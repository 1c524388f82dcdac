"""A warm start: training begins at the weights of an arm that was trained before, and takes fewer steps.

What is carried over stands in `carried_weights`. The optimizer begins anew, its moments at zero, and nothing is taken
from the spectrum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, TypeVar

from components.recommender.arm_config import NetworkConfig
from components.recommender.training.tiger_training import TigerTraining
from components.recommender.training.training_config import TrainingConfig

EPOCH_SHARE = 0.3  # of the preset's, at most; never less than one epoch
LEARNING_RATE_SHARE = (
    1.0  # of the preset's: on MovieLens-100K a third of it lost .005 of .102 NDCG@10 in two steps
)
_SHAPING = (  # fields of a config
    *(
        "mixer",
        "network",
        "free_vectors",
        "node_vectors",
        "head_hidden",
        "max_items",
        "normalize",
        "num_members",
    ),
)

Config = TypeVar("Config", bound=NetworkConfig)


def warmed(config: Config) -> Config:
    """The configuration of a training that begins at weights: fewer epochs, no spectrum."""
    training: TrainingConfig | TigerTraining = config.training
    shorter = replace(
        training,
        epochs=max(1, int(EPOCH_SHARE * training.epochs)),
        learning_rate=LEARNING_RATE_SHARE * training.learning_rate,
    )
    if isinstance(shorter, TrainingConfig):
        shorter = replace(shorter, start_length=0.0)
    return replace(config, training=shorter)  # type: ignore[arg-type]


def unfit(saved: Mapping[str, Any], config: NetworkConfig) -> str:
    """What keeps a training by `config` from beginning at an arm that was saved with another; "" where nothing does.

    `saved` is the config in its `arm.json`. What steers only how long is trained, by which loss, or how lists are made
    of the weights may differ, and so may dropout.
    """
    wanted = asdict(config)
    for name in _SHAPING:
        here, there = (_flat(name, made.get(name, wanted.get(name))) for made in (wanted, saved))
        for field in here:
            if there.get(field, here[field]) != here[field]:
                return f"its {field} is {there[field]}, this preset's {here[field]}"
    return ""


def _flat(name: str, value: Any) -> dict[str, Any]:
    """Fields of a part by their whole name; dropout has no weights."""
    if not isinstance(value, Mapping):
        return {name: value}
    return {f"{name}.{field}": one for field, one in value.items() if field != "dropout"}
