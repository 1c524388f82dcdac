"""A stage runs once: its key is the hash of all it depends on, and a finished key is never worked again.

The key covers the stage's inputs (digests), its config, and the code of the component folders it calls.
The warehouse's journal maps the key to what came out. A killed run therefore continues where it stopped:
the same request reaches the same keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from components.artifact import digest_of, verified
from components.data import journal
from components.faults import crash_point
from flows.console import stage_line
from flows.resources import Meter
from flows.state import warehouse

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a stage gave, and what it cost this time (nothing, if it had been done before)."""

    stage: str
    output: dict[str, Any]
    seconds: float
    peak_mb: float
    reused: bool


def run_once(
    stage: str,
    *,
    run: str,
    inputs: Mapping[str, Any],
    config: Mapping[str, Any],
    rooms: tuple[str, ...],
    work: Callable[[], dict[str, Any]],
) -> Outcome:
    """Return the journal's output for this key, or do `work` and record it.

    `run` labels the cycle that pays for the work; `rooms` are the component folders whose code the result
    depends on. Outputs are JSON; artifact references among them are checked byte by byte before reuse.
    """
    engine = warehouse()
    key = digest_of(
        {
            "stage": stage,
            "inputs": dict(inputs),
            "config": dict(config),
            "code": [code_digest(r) for r in rooms],
        }
    )
    with Meter() as meter:
        output = journal.find(engine, key)
        reused = output is not None and _still_there(output)
        if not reused:
            crash_point(f"{stage}:start")
            output = work()
            crash_point(f"{stage}:before-record")
    assert output is not None
    if not reused:
        journal.record(
            engine, key=key, stage=stage, output=output, seconds=meter.seconds, peak_mb=meter.peak_mb, run=run
        )
        crash_point(f"{stage}:after-record")
    outcome = Outcome(stage=stage, output=output, seconds=meter.seconds, peak_mb=meter.peak_mb, reused=reused)
    stage_line(outcome.stage, outcome.seconds, outcome.reused, str(output.get("note", "")))
    return outcome


@cache
def code_digest(room: str) -> str:
    """SHA-256 over the sources of one component folder, pages and styles too, and the pinned versions it runs with."""
    digest = hashlib.sha256()
    within = (_ROOT / "components" / room).rglob("*")
    sources = sorted(
        path
        for path in within
        if path.is_file() and path.parent.name != "__pycache__" and not path.name.startswith(".")
    )
    for path in [*sources, _ROOT / "infra" / "constraints.txt"]:
        digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _still_there(output: Mapping[str, Any]) -> bool:
    """False if an artifact has been cleared away; raises ArtifactDamaged if one is not what was published."""
    for value in output.values():
        if isinstance(value, Mapping):
            if {"kind", "digest", "path"} <= value.keys():
                if not Path(value["path"]).exists():
                    return False
                verified(value["path"])
            elif not _still_there(value):
                return False
    return True
