"""A disk that refuses: the N-th write, fsync, rename or opening fails, full from then on or broken once.

Whatever is refused, the call either says so or has done its whole work; nothing is there by half, and the same call
again ends in the state of an undisturbed run.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.faults import disk_commands, killed_worlds, refusing
from tests.faults.child import done, in_child
from tests.faults.fault import Fault, Outcome
from tests.faults.home import FOLDERS, Stage, Work, difference, files_of, kept, rows_of, state_of
from tests.faults.refusing import Refusal

KIND = "disk"
MOST = 40  # calls of a kind that are refused one by one
# What a caller may be told: the operating system's error, or a database's with its words
TOLD = {"OSError", "OperationalError", "WarehouseUnreachable", "PermissionError", "FileNotFoundError"}


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call that writes, and the home that it writes to."""

    name: str
    prepare: Work
    work: Work


def _calls() -> list[Call]:
    worlds = killed_worlds
    return [
        Call(name="publish", prepare=worlds.opened, work=worlds.published),
        Call(name="take_snapshot", prepare=worlds.landed, work=worlds.snapshot),
        Call(name="promotion ledger", prepare=worlds.opened, work=worlds.entered),
        Call(name="land_batch", prepare=worlds.opened, work=worlds.land),
        Call(name="export_quarantine", prepare=worlds.refused_rows, work=worlds.exported),
        Call(name="checked batch", prepare=worlds.opened, work=worlds.checked),
    ]


def faults(scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    del seed
    for call in _calls():
        yield from _of_call(call, scratch, short)
    yield from disk_commands.faults(scratch / "commands", short=short)


def _of_call(call: Call, scratch: Path, short: bool) -> Iterator[Fault]:
    stage = Stage(folder=scratch / call.name.replace(" ", "-"), prepare=call.prepare)
    home = stage.set()
    before = rows_of(home)
    counted = done(
        lambda: call.work(home) and None, first=partial(refusing.counted_under, home), last=refusing.seen
    )
    undisturbed = state_of(home), kept(home)
    for kind, calls in counted.items():
        for at in _chosen(min(calls, MOST), short):
            full = at % 2 == 1
            refusal = Refusal(call=kind, at=at, error=errno.ENOSPC if full else errno.EIO, stays=full)
            yield Fault(
                kind=KIND, name=str(refusal), where=call.name,
                holds="said, nothing by half, and the same call again gives the same digest",
                strike=partial(_strike, call.work, stage, refusal, before, undisturbed),
            )  # fmt: skip


def _chosen(calls: int, short: bool) -> list[int]:
    every = range(1, calls + 1)
    return [(calls + 1) // 2] if short and calls else list(every)


def _strike(
    work: Work,
    stage: Stage,
    refusal: Refusal,
    before: dict[str, list[str]],
    undisturbed: tuple[str, dict[str, object]],
) -> Outcome:
    home = stage.set()
    ended = in_child(lambda: work(home) and None, first=partial(refusal.arm, home), last=refusing.fired)
    wrong = []
    whole = state_of(home) == undisturbed[0]
    if ended.signal:
        wrong.append(f"died of signal {ended.signal}")
    elif ended.error and ended.error not in TOLD:
        wrong.append(f"told as {ended.error}: {ended.message}")
    elif not ended.error and not whole:
        wrong.append(f"nothing was told, and work is missing: {difference(home, undisturbed[1])}")
    wrong += _by_half(home, before, undisturbed[1])
    again = in_child(lambda: work(home) and None)
    if not again.is_done:
        wrong.append(f"the same call again fails: {again.error}: {again.message}")
    elif state_of(home) != undisturbed[0]:
        wrong.append(f"the same call again gives another state: {difference(home, undisturbed[1])}")
    return Outcome(fired=bool(ended.result), violations=tuple(wrong))


def _by_half(home: Path, before: dict[str, list[str]], undisturbed: dict[str, object]) -> list[str]:
    """Tables that are neither old nor new, and files that are there but not whole."""
    rows, whole_rows, whole_files = rows_of(home), undisturbed["rows"], undisturbed["files"]
    assert isinstance(whole_rows, dict)
    assert isinstance(whole_files, dict)
    wrong = [] if rows in (before, whole_rows) else ["rows are neither those before nor those after"]
    files = files_of(home, *FOLDERS)
    broken = [name for name, sha256 in files.items() if whole_files.get(name) != sha256]
    wrong += [f"{name} is there by half" for name in broken]
    for name in whole_files:
        folder = Path(name).parent
        if (
            folder.parts[0] == "artifacts"
            and (home / folder / "manifest.json").exists()
            and name not in files
        ):
            wrong.append(f"{name} is missing from a folder that is published")
    return wrong
