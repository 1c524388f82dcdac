"""A warm start: training begins at the weights of an arm that was trained before, and takes fewer steps.

What is carried over stands in `carried_weights`. The optimizer begins anew, its moments at zero, and nothing is taken
from the spectrum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any, TypeVar

from components.recommender.arm_config import NetworkConfig
from components.recommender.training.tiger_training import TigerTraining
from components.recommender.training.training_config import TrainingConfig

EPOCH_SHARE = 0.3  # of the preset's, at most; never less than one epoch
LEARNING_RATE_SHARE = (
    1.0  # of the preset's: on MovieLens-100K a third of it lost .005 of .102 NDCG@10 in two steps
)
_SHAPING = (  # fields of a config
    "mixer", "network", "free_vectors", "node_vectors", "head_hidden", "max_items", "normalize", "num_members", "graph",
    "content", "reasoning",
)  # fmt: skip
_FREE = ("dropout", "asked", "horizon")  # of those: what weights of any value fit

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

    `saved` is the config in its `arm.json`; a field that an older file leaves out has the default that it is loaded
    with. What steers only how long is trained, by which loss, or how lists are made of the weights may differ, and so
    may dropout, and of reasoning where it is asked for in training, and how far ahead.
    """
    for name, was, wanted in _compared(saved, config):
        place = name.split(".")
        if place[0] in _SHAPING and place[-1] not in _FREE and was != wanted:
            return f"its {name} is {was}, this preset's {wanted}"
    return ""


def _compared(saved: Mapping[str, Any], config: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each field by its whole name, what was saved of it, and what the config says; a part by its own fields."""
    saved = {**asdict(type(config)()), **saved}
    for name in (field.name for field in fields(config)):
        was, wanted = saved[name], getattr(config, name)
        if is_dataclass(wanted) and isinstance(was, Mapping):
            for inner, *both in _compared(was, wanted):
                yield f"{name}.{inner}", *both
        else:
            yield name, was, wanted
