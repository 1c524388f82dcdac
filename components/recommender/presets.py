"""Presets of the trained arms: what to ask for by name, what it costs, what to expect.

Figures: two cores, MovieLens-100K, trained before the median event and replayed to the .7 quantile (rolling,
full ranking, seen items filtered); see `docs/log.md`.
"""

from __future__ import annotations

from dataclasses import replace

from components.recommender.mixer import MixerConfig
from components.recommender.mmgrec import MMGRecConfig
from components.recommender.sasrec import SASRecConfig
from components.recommender.training import TrainingConfig

_QUICK = TrainingConfig(epochs=3, validation="none")


def default_mmgrec() -> MMGRecConfig:
    """The generative arm: codes and a free vector in, tuple and dense loss, decoded by beam."""
    return MMGRecConfig()


def default_sasrec() -> SASRecConfig:
    """SASRec with full softmax: the arm to face."""
    return SASRecConfig()


def quick_mmgrec() -> MMGRecConfig:
    """For tests: seconds; quality is not the aim."""
    small = MixerConfig(dim=32, num_layers=1, max_length=20)
    return replace(default_mmgrec(), mixer=small, training=_QUICK, head_hidden=32, beam_size=20)


def quick_sasrec() -> SASRecConfig:
    """For tests: seconds; quality is not the aim."""
    return SASRecConfig(
        mixer=MixerConfig(dim=32, num_layers=1, max_length=20, relation_dim=0), training=_QUICK
    )
