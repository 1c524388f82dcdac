"""The arms that a cycle may train, by name, each with its shipped preset, and what each reads of the items.

An arm of SEMANTIC_ID_ARMS reads the catalogue, the codes and the sizes of the code tables, one of CONTENT_ARMS the
catalogue and what its items are. Every other arm reads the catalogue alone (`catalogue_of`): a caller that names such a
training by what it read needs no codes for it, and no content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from jaxtyping import Int

from components.compute import ON_CPU, Compute
from components.content_vectors import ContentVectors
from components.recommender import presets
from components.recommender.arm import Arm
from components.recommender.arm_config import ArmConfig, config_of
from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.dense_config import DenseConfig, DenseName
from components.recommender.arms.ease import EASEConfig, fit_ease
from components.recommender.arms.fusion import FusionConfig, train_fusion
from components.recommender.arms.mmgrec import MMGRecConfig, train_mmgrec
from components.recommender.arms.multitron import MultitronConfig, train_multitron
from components.recommender.arms.pisa import PisaConfig, train_pisa
from components.recommender.arms.semantic_sasrec import train_semantic_sasrec
from components.recommender.arms.tiger import TigerConfig, train_tiger
from components.recommender.carried_weights import CannotBeginThere
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.names import (
    CONTENT_ARMS,
    PREFERENCE_ARMS,
    SEMANTIC_ID_ARMS,
    ArmName,
    PresetName,
)
from components.recommender.new_item_share import NewItemShare, with_share
from components.recommender.search_space import Settings
from components.recommender.sequences import TrainingSequences
from components.recommender.training.step import OnStep
from components.recommender.warm_start import unfit, warmed


class NothingKnown(ValueError):
    """An arm that reads content was given items without any."""


def catalogue_of(item_ids: np.ndarray) -> np.ndarray:
    """[item] ids in ascending order: all that an arm without codes reads of the ID table, and its rows' order.

    Items without any event count too: weights are drawn for every row, so a longer catalogue is another arm.
    """
    return np.asarray(item_ids, dtype=object)[np.argsort(item_ids, kind="stable")]


def train_arm(
    arm: ArmName,
    item_lists: Sequence[Sequence[str]],
    time_lists: Sequence[Sequence[int]],
    item_ids: np.ndarray,
    codes: Int[np.ndarray, "item level"] | None = None,
    table_sizes: Sequence[int] | None = None,
    *,
    weight_lists: Sequence[Sequence[float]] | None = None,
    type_lists: Sequence[Sequence[str]] | None = None,
    preset: PresetName = "default",
    settings: Settings | None = None,
    seed: int,
    compute: Compute = ON_CPU,
    on_step: OnStep | None = None,
    checkpoint: Path | None = None,
    begin: Arm | None = None,
    new_items: NewItemShare | None = None,
    preference: str = "",
    content: ContentVectors | None = None,
) -> Arm:
    """Train the arm on a training set and an ID table, with its shipped preset or the quick one, for tests.

    `item_lists` and `time_lists` hold one list a user: item ids, oldest first, and as many epoch seconds.
    `item_ids` and `codes` are the ID table's columns, row by row, in any order: they are put in the catalogue's.
    `table_sizes` are the tokenizer's, one a level. Arms outside SEMANTIC_ID_ARMS read `catalogue_of(item_ids)` alone:
    `codes` and `table_sizes` may be None for them, and are not looked at. `content` has the rows of `item_ids`, zeros
    for an item without any, and is for CONTENT_ARMS alone. EASE, solved in seconds, has no seed, no
    steps, no device and no checkpoint; `mmgrec_paper` has one preset. `weight_lists` say how much each event counts
    as a target (see `components.event_weights`); None: all alike. `settings` stand in place of the preset's own (see
    `search_space`). `begin` is an arm of this name and shape at whose weights the training begins: a share of the
    preset's epochs then suffices (see `warm_start`). `new_items` is the share of places that new items get in the
    trained arm's lists (see `new_item_share`); None: what they earn. `type_lists` are the events' types, and
    `preference` is over them (see `components.preference`): PREFERENCE_ARMS read both, and no other arm looks at types.

    Raises ValueError where an arm that reads codes or content has none, or a preference is for an arm that takes none,
    UnknownItem for an event outside `item_ids`, NothingToTrainOn where every event weighs 0, UnknownObjective for
    a preference over types that no target is of, CannotBeginThere where `begin` does not fit, CannotRaise where the
    arm ranks no new items (NEW_ITEM_ARMS do), and what the arm's own training raises.
    """
    order = np.argsort(item_ids, kind="stable")
    sequences = TrainingSequences.from_lists(
        item_lists, time_lists, item_ids=catalogue_of(item_ids), weights=weight_lists,
        types=type_lists if arm in PREFERENCE_ARMS else None,
    )  # fmt: skip
    how = _How(seed=seed, compute=compute, on_step=on_step, checkpoint=checkpoint, begin=begin)
    config = config_of(arm, preset, presets.density_of(sequences), settings)
    if isinstance(config, DenseConfig):
        config = presets.sized(config, sequences.num_items)
    config = _told(arm, config, preference)
    if begin is not None:
        config = _begun(arm, config, begin)
    if arm in CONTENT_ARMS:
        trained = _train_on_content(arm, sequences, content, order, config, how)
    elif arm not in SEMANTIC_ID_ARMS:
        trained = _train_on_catalogue(arm, sequences, config, how)
    elif codes is None or table_sizes is None:
        raise ValueError(f"{arm} reads semantic IDs: pass the ID table's codes and table_sizes")
    else:
        trained = _train_on_codes(arm, sequences, codes[order], table_sizes, config, how)
    return trained if new_items is None else with_share(trained, sequences, new_items)


@dataclass(frozen=True, kw_only=True)
class _How:
    """What every trained arm is told beside data and preset, as keyword arguments."""

    seed: int
    compute: Compute
    on_step: OnStep | None
    checkpoint: Path | None
    begin: Any  # None, or an arm of the same name


def _train_on_codes(
    arm: ArmName,
    sequences: TrainingSequences,
    codes: Int[np.ndarray, "item level"],
    sizes: Sequence[int],
    config: ArmConfig,
    how: _How,
) -> Arm:
    match config:
        case MMGRecConfig():
            return train_mmgrec(sequences, codes, config, num_codes=sizes, **vars(how))
        case TigerConfig():
            return train_tiger(sequences, codes, config, num_codes=sizes, **vars(how))
        case FusionConfig():
            return train_fusion(sequences, codes, config, num_codes=sizes, **vars(how))
        case DenseConfig():
            return train_semantic_sasrec(sequences, codes, config, num_codes=sizes, **vars(how))
    raise AssertionError(f"{arm} stands in SEMANTIC_ID_ARMS, and has no case here")


def _train_on_content(
    arm: ArmName,
    sequences: TrainingSequences,
    content: ContentVectors | None,
    order: Int[np.ndarray, "item"],
    config: ArmConfig,
    how: _How,
) -> Arm:
    if content is None or not content.is_known.any():
        raise NothingKnown(
            f"{arm} reads what items are, and none of them has content. Bring text, images, categories or vectors with "
            "the items, or train another arm with --challenger"
        )
    if not isinstance(config, DenseConfig):
        raise AssertionError(f"{arm} stands in CONTENT_ARMS, and has no case here")
    rows = content.of(order)
    vocabulary = vocabulary_of(sequences, content=rows)
    return train_dense(cast(DenseName, arm), sequences, vocabulary, config, content=rows, **vars(how))


def _train_on_catalogue(arm: ArmName, sequences: TrainingSequences, config: ArmConfig, how: _How) -> Arm:
    match config:
        case MultitronConfig():
            return train_multitron(sequences, vocabulary_of(sequences), config, **vars(how))
        case PisaConfig():
            return train_pisa(sequences, vocabulary_of(sequences), config, **vars(how))
        case DenseConfig() if arm in get_args(DenseName):
            return train_dense(cast(DenseName, arm), sequences, vocabulary_of(sequences), config, **vars(how))
        case EASEConfig():
            return fit_ease(sequences, config)
    raise AssertionError(f"{arm} is an ArmName, and has no case here")


def _told(arm: ArmName, config: ArmConfig, preference: str) -> ArmConfig:
    """The config with what its lists are to aim at."""
    if not preference:
        return config
    if not isinstance(config, MultitronConfig):
        raise ValueError(
            f"{arm} takes no preference over event types: {', '.join(sorted(PREFERENCE_ARMS))} does"
        )
    return replace(config, preference=preference)


def _begun(arm: ArmName, config: ArmConfig, begin: Any) -> ArmConfig:
    """The config of a training that begins at weights: shortened, if they fit it. EASE has none to begin at."""
    if isinstance(config, EASEConfig):
        return config
    if misfit := unfit(asdict(begin.config), config):
        raise CannotBeginThere(f"{arm} cannot begin at the weights given: {misfit}. Train with --cold-start")
    return warmed(config)
