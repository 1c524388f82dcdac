"""A study: which settings to try next, and what came of those that were tried, kept in a file that outlives a kill.

Optuna's TPE (Bergstra et al. 2011, doi:10.5555/2986459.2986743) proposes. Its draws come from the study's seed and the
number of trials that are over, and from nothing that lives in a process: a study that was killed and is opened again
asks for the very settings that it would have asked for. The first trial is always the shipped preset.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from components.recommender.search_space import OneOf, Real, Setting, Settings, Space, Whole

STARTUP_TRIALS = 5  # drawn at random before TPE has something to learn from
DECODE_EVERY = 3  # of an arm that has them: every third trial changes decode settings of the best one alone

Kind = Literal["preset", "search", "decode"]
_SETTINGS, _KIND, _SECONDS, _CPU, _FAILED = "settings", "kind", "seconds", "cpu_seconds", "failed"
_OVER = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A trial that is over."""

    number: int  # from 0, the preset
    kind: Kind
    settings: dict[str, Setting]
    value: float | None  # of the objective; None where the training failed
    seconds: float
    cpu_seconds: float
    failed: str = ""  # why


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A trial to do. Told of or not: what is never told of is asked for again."""

    number: int
    kind: Kind
    settings: dict[str, Setting]
    trial: optuna.Trial


class Study:
    """The larger the objective, the better. One process at a time may open it."""

    def __init__(
        self, file: Path, space: Space, preset: Settings, *, decode: Collection[str] = (), seed: int
    ) -> None:
        """`preset` is a value for every setting of the space; `decode` are those that need no training."""
        if preset.keys() != space.keys():
            raise ValueError(f"the preset says {sorted(preset)}, the space {sorted(space)}")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space, self.preset, self.seed = space, dict(preset), seed
        self._decode = frozenset(decode)
        self._distributions = {name: _distribution(range_) for name, range_ in space.items()}
        file.parent.mkdir(parents=True, exist_ok=True)
        self._study = optuna.create_study(
            storage=f"sqlite:///{file}", study_name="study", direction="maximize", load_if_exists=True
        )
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING)):
            if trial.state is TrialState.RUNNING:  # of a process that was killed
                self._study.tell(trial.number, state=TrialState.FAIL)

    @property
    def tried(self) -> tuple[Tried, ...]:
        """Every trial that is over, in their order."""
        over = self._study.get_trials(deepcopy=False, states=_OVER)
        return tuple(_tried(number, trial) for number, trial in enumerate(over))

    def best(self) -> Tried:
        """The earliest of those with the largest value. Raises ValueError while there is none."""
        return best_of(self.tried)

    def ask(self) -> Asked:
        """The next trial."""
        number = len(self.tried)
        if number == 0:
            return self._asked(number, "preset", dict(self.preset), self.preset)
        is_decode = bool(self._decode) and number % DECODE_EVERY == DECODE_EVERY - 1
        kind: Kind = "decode" if is_decode else "search"
        kept = {k: v for k, v in self.best().settings.items() if k not in self._decode} if is_decode else {}
        return self._asked(number, kind, kept)

    def _asked(
        self, number: int, kind: Kind, kept: Mapping[str, Any], exact: Settings | None = None
    ) -> Asked:
        """`kept` stay as they are; `exact` are all of them, to the last digit."""
        with warnings.catch_warnings():  # Optuna calls these parts experimental
            warnings.simplefilter("ignore")
            tpe = optuna.samplers.TPESampler(seed=self.seed + number, n_startup_trials=STARTUP_TRIALS)
            sampler = optuna.samplers.PartialFixedSampler(dict(kept), tpe) if kept else tpe
            self._study.sampler = sampler
            trial = self._study.ask(self._distributions)
        settings = dict(exact) if exact else {n: self._tidied(n, v, kept) for n, v in trial.params.items()}
        for key, told in ((_SETTINGS, settings), (_KIND, kind)):
            trial.set_user_attr(key, told)
        return Asked(number=number, kind=kind, settings=settings, trial=trial)

    def _tidied(self, name: str, value: Any, kept: Mapping[str, Any]) -> Any:
        range_ = self.space[name]
        return range_.tidied(value) if isinstance(range_, Real) and name not in kept else value

    def tell(
        self, asked: Asked, value: float | None, *, seconds: float, cpu_seconds: float, failed: str = ""
    ) -> None:
        """The trial is over; without a value its settings could not be trained with, and the search avoids them."""
        for key, told in ((_SECONDS, seconds), (_CPU, cpu_seconds), (_FAILED, failed)):
            asked.trial.set_user_attr(key, told)
        if value is None:
            self._study.tell(asked.trial, state=TrialState.PRUNED)
        else:
            self._study.tell(asked.trial, value)

    def abandon(self, asked: Asked) -> None:
        """It was cut off, and is no trial: whoever asks again is asked for the same settings."""
        self._study.tell(asked.trial, state=TrialState.FAIL)


def best_of(tried: Iterable[Tried]) -> Tried:
    """The earliest of those with the largest value. Raises ValueError where none has one."""
    return max((one for one in tried if one.value is not None), key=lambda one: (one.value, -one.number))


def _distribution(range_: Real | Whole | OneOf) -> BaseDistribution:
    match range_:
        case Real():
            return FloatDistribution(range_.low, range_.high, log=range_.log)
        case Whole():
            return IntDistribution(range_.low, range_.high)
        case OneOf():
            return CategoricalDistribution(range_.values)


def _tried(number: int, trial: FrozenTrial) -> Tried:
    said = trial.user_attrs
    return Tried(
        number=number,
        kind=said[_KIND],
        settings=said[_SETTINGS],
        value=trial.value if trial.state is TrialState.COMPLETE else None,
        seconds=said[_SECONDS],
        cpu_seconds=said[_CPU],
        failed=said[_FAILED],
    )
