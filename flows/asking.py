"""Stages asked what they would do: each comes to its key by its own code, is looked up in the journal, and stops.

What a stage has not made yet is unknown, and so is whatever is taken from it. A stage whose key holds something
unknown runs, and depends on who makes that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, NoReturn, ParamSpec, TypeVar, cast

from flows.stages import ASKED, Answer, Noted, StageResult, finished_output

P = ParamSpec("P")
R = TypeVar("R", bound=Noted)


class Undecided(Exception):
    """Code came to a choice that hangs on what `stage` has not made yet."""

    def __init__(self, stage: str) -> None:
        super().__init__(f"hangs on what {stage} gives")
        self.stage = stage


class Unknown:
    """What `made_by` will give, or anything that is taken from it; it can be handed on, and decides nothing."""

    def __init__(self, made_by: str) -> None:
        object.__setattr__(self, "made_by", made_by)

    made_by: str

    def __getattr__(self, name: str) -> Unknown:
        if name.startswith("__"):
            raise AttributeError(name)  # what Python asks of every object
        return self

    def __call__(self, *_: object, **__: object) -> Unknown:
        return self

    def __eq__(self, other: object) -> Any:
        return True if other is self else self

    def __hash__(self) -> int:
        return id(self)

    def _decide(self, *_: object) -> NoReturn:
        raise Undecided(self.made_by)

    __bool__ = __iter__ = __len__ = __str__ = __format__ = __getitem__ = _decide

    def __repr__(self) -> str:
        return f"<what {self.made_by} gives>"


Lot = Literal["reused", "runs", "depends"]


@dataclass(frozen=True, kw_only=True)
class AskedStage:
    """What becomes of a stage: reused, runs, or runs on what others have still to make."""

    stage: str
    lot: Lot
    depends_on: tuple[str, ...] = ()


class Asking:
    """Asks one stage after the other, and keeps what they said in that order."""

    def __init__(self) -> None:
        self.told: list[AskedStage] = []

    def __call__(
        self, task: Callable[P, StageResult[R]], *given: P.args, **named: P.kwargs
    ) -> StageResult[R]:
        """The stage's recorded result, or one whose output is Unknown. The task is not run, and nothing is written.

        Raises what the stage raises on its way to its key, ArtifactDamaged for a recorded result that is not whole.
        """
        function = getattr(task, "fn", task)
        with _asked():
            try:
                function(*given, **named)
            except Answer as answer:
                return self._settled(answer)
        raise TypeError(f"{function.__qualname__} is no stage: it does not come to run_once")

    def _settled(self, answer: Answer) -> StageResult[Any]:
        key = answer.key
        waits_for = tuple(dict.fromkeys(unknown.made_by for unknown in _unknown([key.reads, key.facts])))
        found = None if waits_for else finished_output(key, answer.result)
        lot: Lot = "depends" if waits_for else "runs" if found is None else "reused"
        self.told.append(AskedStage(stage=key.stage, lot=lot, depends_on=waits_for))
        output = cast(Any, Unknown(key.stage)) if found is None else found
        return StageResult(
            stage=key.stage, output=output, seconds=0.0, peak_mb=0.0, reused=found is not None,
            computes=answer.computes, code=key.code,
        )  # fmt: skip


@contextmanager
def _asked() -> Iterator[None]:
    token = ASKED.set(True)
    try:
        yield
    finally:
        ASKED.reset(token)


def _unknown(value: object) -> Iterator[Unknown]:
    """Everything unknown in a value, at any depth."""
    if isinstance(value, Unknown):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _unknown(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _unknown(entry)
    elif is_dataclass(value):
        for part in fields(value):
            yield from _unknown(getattr(value, part.name))
