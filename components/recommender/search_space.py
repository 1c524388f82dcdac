"""What `recloop tune` may change of an arm, and within which bounds: every space of every arm, in this one file.

A setting is named by its place in the arm's config dataclass: "training.learning_rate", "mixer.dropout". Nothing here
loads torch, so that a request can be held against a space before anything else is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from components.recommender.names import ArmName, PresetName

Setting = int | float | str | bool
Settings = Mapping[str, Setting]


@dataclass(frozen=True, kw_only=True)
class Real:
    """A number of [low, high]; `log` where a factor matters, not a difference."""

    low: float
    high: float
    log: bool = False

    def holds(self, value: object) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and self.low <= float(value) <= self.high  # type: ignore[arg-type]

    def tidied(self, value: float) -> float:
        """To four digits: what a person reads in a preset is what was trained with."""
        digits = 3 - math.floor(math.log10(abs(value))) if value else 0
        return min(max(round(value, digits), self.low), self.high)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A whole number of [low, high]."""

    low: int
    high: int

    def holds(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"a whole number, {self.low} to {self.high}"


@dataclass(frozen=True, kw_only=True)
class OneOf:
    """One of some values."""

    values: tuple[Setting, ...]

    def holds(self, value: object) -> bool:
        return any(value == each and type(value) is type(each) for each in self.values)

    def __str__(self) -> str:
        return f"one of {', '.join(map(str, self.values))}"


Range = Real | Whole | OneOf
Space = Mapping[str, Range]  # setting → where it may lie

_RATE, _EPOCHS = "training.learning_rate", "training.epochs"
_DENSE: Space = {
    _RATE: Real(low=5e-4, high=8e-3, log=True),
    _EPOCHS: Whole(low=4, high=24),
    "training.batch_size": OneOf(values=(16, 32, 64, 128)),
    "training.weight_decay": Real(low=1e-3, high=0.3, log=True),
    "training.start_length": Real(low=0.3, high=3.0, log=True),
    "mixer.dropout": Real(low=0.1, high=0.7),
    "mixer.dim": OneOf(values=(32, 64, 96, 128)),
    "mixer.num_layers": Whole(low=1, high=3),
}
_REGULARIZATION = Real(low=5.0, high=5000.0, log=True)
_LINEAR = Real(low=0.05, high=2.0, log=True)
_ACTIVATION: Space = {
    "activation_weight": Real(low=0.05, high=3.0, log=True),
    "decay": Real(low=0.1, high=1.5),
}
_PREFERRING: Space = {
    "concentration": Real(low=0.1, high=2.0, log=True),
    "penalty": Real(low=0.0, high=1.0),
}
_REASONING: Space = {
    "reasoning.num_steps": Whole(low=1, high=3),
    "reasoning.block_size": Whole(low=1, high=4),
    "reasoning.asked": OneOf(values=(4, 8, 16, 32)),
    "reasoning.horizon": Whole(low=1, high=10),
}
_CONTENT: Space = {"content.components": OneOf(values=(64, 128, 256, 512))}
_GRAPH: Space = {
    _RATE: Real(low=1e-3, high=5e-2, log=True),
    _EPOCHS: Whole(low=4, high=48),
    **{
        f"training.{name}": _DENSE[f"training.{name}"]
        for name in ("batch_size", "weight_decay", "start_length")
    },
    "mixer.dim": _DENSE["mixer.dim"],
    "graph.hops": Whole(low=0, high=3),
    "graph.fading": Real(low=0.4, high=1.0),
}
_DEFAULT: Mapping[ArmName, Space] = {
    "sasrec": _DENSE,
    "hstu": _DENSE,
    "hstu_text": {**_DENSE, **_CONTENT, "free_dropout": Real(low=0.0, high=0.9)},
    "m2trec": {**_DENSE, **_CONTENT, "content.hidden": OneOf(values=(0, 64, 256))},
    "fmlp": _DENSE,
    "gru4rec": _DENSE,
    "tim4rec": _DENSE,
    "gsasrec": {
        **_DENSE,
        _EPOCHS: Whole(low=8, high=72),
        "calibration": Real(low=0.0, high=1.0),
        "num_negatives": OneOf(values=(64, 256, 1024)),
    },
    "lightgcn": _GRAPH,
    "alpharec": {
        **_GRAPH,
        **_CONTENT,
        "content.hidden": OneOf(values=(0, 64, 256)),
        "temperature": Real(low=0.05, high=0.5, log=True),
    },
    "rlmrec": {
        **_GRAPH,
        **_CONTENT,
        "content.hidden": OneOf(values=(0, 64, 256)),
        "alignment.weight": Real(low=1e-3, high=3.0, log=True),
        "alignment.temperature": Real(low=0.05, high=0.5, log=True),
    },
    "onepiece": {**_DENSE, **_REASONING},
    "pisa": {**_DENSE, **_ACTIVATION},
    "multitron": {**_DENSE, **_PREFERRING},
    "bert4rec": {**_DENSE, _EPOCHS: Whole(low=12, high=96), "cloze.share": Real(low=0.1, high=0.8)},
    "semantic_sasrec": _DENSE,
    "fusion": {
        **_DENSE,
        "num_members": Whole(low=1, high=4),
        "linear_weight": _LINEAR,
        "regularization": _REGULARIZATION,
    },
    "mmgrec": {
        **_DENSE,
        "tuple_weight": Real(low=0.05, high=1.0, log=True),
        "hybrid_share": Real(low=0.5, high=0.99),
        "beam_size": OneOf(values=(80, 160, 240)),
        "first_beam_size": OneOf(values=(32, 64, 128)),
    },
    "mmgrec_paper": {  # what the paper fixes stays: a set of 32 items, the tuple loss alone
        _RATE: _DENSE[_RATE],
        _EPOCHS: _DENSE[_EPOCHS],
        "training.batch_size": _DENSE["training.batch_size"],
        "mixer.dropout": _DENSE["mixer.dropout"],
        "beam_size": OneOf(values=(10, 20, 40, 80)),
    },
    "tiger": {
        _RATE: Real(low=1e-3, high=8e-3, log=True),
        _EPOCHS: Whole(low=3, high=12),
        "training.horizon": Whole(low=1, high=8),
        "network.dropout": Real(low=0.0, high=0.4),
        "max_items": OneOf(values=(10, 20, 40)),
        "beam_size": OneOf(values=(20, 40, 80, 160)),
    },
    "ease": {"regularization": _REGULARIZATION, "fading": Real(low=0.4, high=1.0)},
}
_QUICK_DENSE: Space = {
    _RATE: Real(low=1e-3, high=1e-2, log=True),
    _EPOCHS: Whole(low=2, high=4),
    "mixer.dropout": Real(low=0.1, high=0.5),
}
_QUICK_GRAPH: Space = {
    _RATE: Real(low=5e-3, high=5e-2, log=True),
    _EPOCHS: Whole(low=4, high=12),
    "graph.hops": Whole(low=0, high=2),
}
_QUICK: Mapping[ArmName, Space] = {  # for tests: a few settings, and what trains in seconds
    "sasrec": _QUICK_DENSE,
    "hstu": _QUICK_DENSE,
    "hstu_text": _QUICK_DENSE,
    "m2trec": _QUICK_DENSE,
    "fmlp": _QUICK_DENSE,
    "gru4rec": _QUICK_DENSE,
    "bert4rec": _QUICK_DENSE,
    "tim4rec": _QUICK_DENSE,
    "gsasrec": {**_QUICK_DENSE, _EPOCHS: Whole(low=4, high=12)},
    "lightgcn": _QUICK_GRAPH,
    "alpharec": _QUICK_GRAPH,
    "rlmrec": _QUICK_GRAPH,
    "semantic_sasrec": _QUICK_DENSE,
    "onepiece": {**_QUICK_DENSE, "reasoning.num_steps": _REASONING["reasoning.num_steps"]},
    "pisa": {**_QUICK_DENSE, **_ACTIVATION},
    "multitron": {**_QUICK_DENSE, **_PREFERRING},
    "fusion": {**_QUICK_DENSE, "linear_weight": _LINEAR},
    "mmgrec": {**_QUICK_DENSE, "hybrid_share": Real(low=0.5, high=0.99)},
    "tiger": {
        _RATE: Real(low=1e-3, high=1e-2, log=True),
        _EPOCHS: Whole(low=2, high=4),
        "beam_size": OneOf(values=(20, 40, 80)),
    },
}
_DECODES = frozenset(
    {"hybrid_share", "beam_size", "first_beam_size", "linear_weight", "activation_weight", "decay"}
)


def space_of(arm: ArmName, preset: PresetName) -> Space:
    """What may be changed of the arm's shipped preset; EASE and `mmgrec_paper` have one preset, and one space."""
    return _QUICK.get(arm, _DEFAULT[arm]) if preset == "quick" else _DEFAULT[arm]


def decode_settings(space: Space) -> frozenset[str]:
    """Settings that weights do not depend on: another value of these needs no training."""
    return frozenset(space) & _DECODES
