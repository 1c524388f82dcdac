"""A stage runs once: its key is the hash of all it depends on, and a finished key is never worked again.

The key covers the artifacts that the stage reads, the facts that steer it, and the code that it runs (see
`stage_code`). The warehouse's journal maps the key to what came out. A killed run therefore continues where
it stopped: the same request reaches the same keys.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Generic, Protocol, TypeVar

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from components.artifact import ArtifactDamaged, ArtifactRef, digest_of, present, verified
from components.data import journal
from components.faults import crash_point
from flows.local.console import stage_line
from flows.local.meter import Meter
from flows.stage_code import StageCode, code_of
from flows.warehouse import warehouse


class Noted(Protocol):
    """What a stage gives: a frozen dataclass of JSON values and artifact references that can say itself in a line."""

    @property
    def note(self) -> str: ...


T = TypeVar("T", bound=Noted)

ASKED: ContextVar[bool] = ContextVar(
    "asked", default=False
)  # a stage is asked what it would do: see `planning`


class Answer(Exception):
    """A stage that was asked has come to its key; this carries it out of the stage, and nothing after it runs."""

    def __init__(self, key: StageKey, result: type[Noted], computes: bool) -> None:
        super().__init__(key.stage)
        self.key, self.result, self.computes = key, result, computes


@dataclass(frozen=True, kw_only=True)
class StageKey:
    """All that a stage's result depends on. Its journal key, the parents of what it publishes and the name of
    its checkpoint come from here and nowhere else.
    """

    stage: str  # as it stands in the journal and on the terminal
    run: str  # the cycle or replay that pays for the work; no part of the key
    reads: Mapping[str, ArtifactRef | None] = field(default_factory=dict)  # role → artifact
    facts: Mapping[str, Any] = field(default_factory=dict)  # JSON values
    code: StageCode

    @property
    def parents(self) -> dict[str, str]:
        """Role → digest of each artifact that is read, for the manifest of what is published."""
        return {role: ref.digest for role, ref in self.reads.items() if ref is not None}

    @property
    def digest(self) -> str:
        return digest_of(
            {
                "stage": self.stage,
                "reads": self.parents,
                "facts": dict(self.facts),
                "code": self.code.digest,
            }
        )


@dataclass(frozen=True, kw_only=True)
class StageResult(Generic[T]):
    """What a stage gave, and what it cost this time (nothing, if it had been done before)."""

    stage: str
    output: T
    seconds: float
    peak_mb: float
    reused: bool
    computes: bool  # encodes, trains or replays; the others are work of the engines
    code: StageCode


def key_of(
    task: Callable[..., Any],
    stage: str,
    *,
    run: str,
    reads: Mapping[str, ArtifactRef | None] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> StageKey:
    """The key of a stage, with the code that its task runs."""
    function = getattr(task, "fn", task)
    code = code_of(function.__module__, function.__qualname__)
    return StageKey(stage=stage, run=run, reads=reads or {}, facts=facts or {}, code=code)


def run_once(
    key: StageKey, result: type[T], work: Callable[[], T], *, computes: bool = False
) -> StageResult[T]:
    """Return what the journal has under this key, or do `work` and record it.

    Artifacts that a recorded result names are checked byte by byte before it is used again: one that was
    cleared away is made anew, one that is not what was published raises ArtifactDamaged.
    """
    if ASKED.get():
        raise Answer(key, result, computes)
    engine = warehouse()
    with Meter() as meter:
        found = finished_output(key, result)
        reused = found is not None
        if not reused:
            crash_point(f"{key.stage}:start")
            found = work()
            crash_point(f"{key.stage}:before-record")
    assert found is not None
    if not reused:
        journal.record(
            engine, key=key.digest, stage=key.stage, output=found,
            seconds=meter.seconds, peak_mb=meter.peak_mb, run=key.run,
        )  # fmt: skip
        crash_point(f"{key.stage}:after-record")
    say_in_prefect(f"{key.stage}: {'reused, ' if reused else ''}{found.note}")
    stage_line(key.stage, meter.seconds, reused, found.note)
    return StageResult(
        stage=key.stage, output=found, seconds=meter.seconds, peak_mb=meter.peak_mb, reused=reused,
        computes=computes, code=key.code,
    )  # fmt: skip


def finished_output(key: StageKey, result: type[T]) -> T | None:
    """What the journal has under this key, if every artifact that it names is still there. Raises ArtifactDamaged."""
    found = journal.find(warehouse(), key.digest, result)
    return found if found is not None and all_there(found) else None


def say_in_prefect(text: str, level: int = logging.INFO) -> None:
    """A line in the log of the run that this is part of; outside of a run, nothing."""
    try:
        get_run_logger().log(level, text)
    except MissingContextError:
        return


def all_there(value: object) -> bool:
    """False if an artifact that `value` refers to has been cleared away.

    Raises ArtifactDamaged if one is not what was published.
    """
    if isinstance(value, ArtifactRef):
        if not present(value.path):
            return False
        if (found := verified(value.path)["digest"]) != value.digest:
            raise ArtifactDamaged(
                f"{value.path}: holds {found[:12]}…, and the journal names {value.digest[:12]}…. Remove the folder and "
                "run again: the stage makes it anew."
            )
        return True
    if is_dataclass(value):
        return all(all_there(getattr(value, part.name)) for part in fields(value))
    if isinstance(value, Mapping):
        return all(all_there(part) for part in value.values())
    return True
