"""The config that an arm is trained with: its shipped preset for these data, with settings in place of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from components.recommender import presets
from components.recommender.arm import Arm
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.arms.ease import EASEConfig
from components.recommender.arms.fusion import FusionArm
from components.recommender.arms.mmgrec import MMGRecArm, MMGRecConfig
from components.recommender.arms.pisa import PisaArm
from components.recommender.arms.tiger import TigerArm, TigerConfig
from components.recommender.names import ArmName, PresetName
from components.recommender.search_space import Setting, Settings
from components.recommender.sequences import TrainingSequences

NetworkConfig = MMGRecConfig | TigerConfig | DenseConfig
ArmConfig = NetworkConfig | EASEConfig
C = TypeVar("C")


def config_of(
    arm: ArmName,
    preset: PresetName,
    density: presets.Density = "dense",
    settings: Settings | None = None,
) -> ArmConfig:
    """The shipped preset of that name with these settings; an arm without an accurate one has its default there.

    Raises ValueError as the configs do.
    """
    return with_settings(_shipped(arm, preset, density), settings or {})


def _shipped(arm: ArmName, preset: PresetName, density: presets.Density) -> ArmConfig:
    is_quick = preset == "quick"
    match arm:
        case "mmgrec" if preset == "accurate":
            return presets.accurate_mmgrec(density)
        case "mmgrec":
            return presets.quick_mmgrec() if is_quick else presets.default_mmgrec(density)
        case "mmgrec_paper":
            return presets.paper_mmgrec()
        case "tiger":
            return presets.quick_tiger() if is_quick else presets.default_tiger()
        case "semantic_sasrec":
            return presets.quick_sasrec() if is_quick else presets.default_semantic_sasrec(density)
        case "fusion":
            return presets.quick_fusion() if is_quick else presets.default_fusion(density)
        case "sasrec":
            return presets.quick_sasrec() if is_quick else presets.default_sasrec(density)
        case "hstu":
            return presets.quick_hstu() if is_quick else presets.default_hstu(density)
        case "hstu_text":
            return presets.quick_hstu_text() if is_quick else presets.default_hstu_text(density)
        case "m2trec":
            return presets.quick_m2trec() if is_quick else presets.default_m2trec(density)
        case "fmlp":
            return presets.quick(presets.default_fmlp()) if is_quick else presets.default_fmlp(density)
        case "gru4rec":
            return presets.quick(presets.default_gru4rec()) if is_quick else presets.default_gru4rec(density)
        case "bert4rec":
            return (
                presets.quick(presets.default_bert4rec()) if is_quick else presets.default_bert4rec(density)
            )
        case "gsasrec":
            return presets.quick_gsasrec() if is_quick else presets.default_gsasrec(density)
        case "tim4rec":
            return presets.quick(presets.default_tim4rec()) if is_quick else presets.default_tim4rec(density)
        case "lightgcn":
            return presets.quick_lightgcn() if is_quick else presets.default_lightgcn(density)
        case "alpharec":
            return presets.quick_alpharec() if is_quick else presets.default_alpharec(density)
        case "rlmrec":
            return presets.quick_rlmrec() if is_quick else presets.default_rlmrec(density)
        case "onepiece":
            return presets.quick_onepiece() if is_quick else presets.default_onepiece(density)
        case "pisa":
            return presets.quick_pisa() if is_quick else presets.default_pisa(density)
        case "multitron":
            return presets.quick_multitron() if is_quick else presets.default_multitron(density)
        case "ease":
            return presets.default_ease(density)
    raise AssertionError(f"{arm} is an ArmName, and has no case here")


def with_settings(config: C, settings: Settings) -> C:
    """The config with these values at their places. Raises KeyError for a place that there is not."""
    for name, value in settings.items():
        config = _replaced(config, name.split("."), value)
    return config


def _replaced(config: Any, path: list[str], value: Setting) -> Any:
    name, *deeper = path
    if name not in {field.name for field in fields(config)}:
        raise KeyError(f"{type(config).__name__} has no field {name}")
    inner = getattr(config, name)
    return replace(config, **{name: _replaced(inner, deeper, value) if deeper else value})


def value_at(config: object, name: str) -> Any:
    """What the config says at a place such as "training.epochs"."""
    for part in name.split("."):
        assert is_dataclass(config)
        config = getattr(config, part)
    return config


def decoded_with(arm: Arm, settings: Settings) -> Arm:
    """The same weights, decoded with these settings; those of a config that are no decoder's are refused by it."""
    if not settings:
        return arm
    if isinstance(arm, FusionArm):
        return arm.weighing(**cast(Any, settings))
    if isinstance(arm, PisaArm):
        return arm.remembering(**cast(Any, settings))
    if not isinstance(arm, MMGRecArm | TigerArm):
        raise ValueError(
            f"{arm.name} has no decoder, so {', '.join(settings)} cannot be set after its training"
        )
    decode: Any = arm.config.decode
    return arm.decoding(decode, **settings)


def shipped_settings(
    arm: ArmName, preset: PresetName, names: Iterable[str], item_lists: Sequence[Sequence[str]]
) -> dict[str, Setting]:
    """What the arm's shipped preset says of these settings, for a training on these histories."""
    density = presets.density_of(TrainingSequences.from_lists(item_lists))
    config = config_of(arm, preset, density, {})
    return {name: value_at(config, name) for name in names}
