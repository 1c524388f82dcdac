"""The configuration that an arm is trained with, by the name of its preset."""

from __future__ import annotations

from typing import Literal

from components.recommender import presets
from components.recommender.arm import ArmName
from components.recommender.arms.dense_arm import DenseConfig
from components.recommender.arms.mmgrec import MMGRecConfig
from components.recommender.arms.tiger import TigerConfig

PresetName = Literal["default", "quick"]
NetworkConfig = MMGRecConfig | TigerConfig | DenseConfig


def config_of(arm: ArmName, preset: PresetName, density: presets.Density = "dense") -> NetworkConfig:
    """Of an arm with a network; `mmgrec_paper` has one preset. Raises KeyError for EASE, which has none."""
    is_quick = preset == "quick"
    match arm:
        case "mmgrec":
            return presets.quick_mmgrec() if is_quick else presets.default_mmgrec(density)
        case "mmgrec_paper":
            return presets.paper_mmgrec()
        case "tiger":
            return presets.quick_tiger() if is_quick else presets.default_tiger()
        case "semantic_sasrec":
            return presets.quick_sasrec() if is_quick else presets.default_semantic_sasrec(density)
        case "sasrec":
            return presets.quick_sasrec() if is_quick else presets.default_sasrec(density)
        case "hstu":
            return presets.quick_hstu() if is_quick else presets.default_hstu(density)
    raise KeyError(f"{arm} has no network")
