"""The parts of the kinds, each struck in a process of its own and several at once: much of their time is waiting."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Protocol

from tests.faults.fault import Fault, LeftOut, Tally, strike_all

LANES = 4  # on two cores: two of them wait
# what takes longest begins first; the rest in the order of the kinds
_FIRST = (
    "MLflow", "Prefect", "retrainings", "PostgreSQL", "erasures", "upgrades", "object store", "with servers",
    "disk", "erasure", "registry",
)  # fmt: skip
PATIENCE = 7_200.0  # seconds
_LAST_WORDS = 5.0  # seconds for what was printed to arrive
_running: set[int] = set()  # groups of processes, each a part

Tell = Callable[[str], None]


class Faults(Protocol):
    """What a part of a kind strikes."""

    def __call__(self, scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]: ...


def parts_of(kind: str) -> Mapping[str, Faults]:
    """Its parts by name; a kind that names none is one part of its own name."""
    module = importlib.import_module(f"tests.faults.{kind}")
    parts: Mapping[str, Faults] = getattr(module, "PARTS", None) or {kind: module.faults}
    return parts


def strike_here(
    kind: str, scratch: Path, *, short: bool, seed: int, tell: Tell, only: str | None = None
) -> Tally:
    """All parts of a kind, or one, in this process. Raises LeftOut if all were left out; one of several is told."""
    left_out: list[str] = []

    def faults() -> Iterator[Fault]:
        for name, part in parts_of(kind).items():
            if only not in (None, name):
                continue
            try:
                yield from part(scratch / name, short=short, seed=seed)
            except LeftOut as why:
                left_out.append(str(why))

    tally = strike_all(kind, faults(), tell)
    if left_out and not tally.armed:
        raise LeftOut("; ".join(left_out))
    for why in left_out:
        tell(f"of {kind} is left out: {why}")
    return tally


def strike_side_by_side(kinds: Sequence[str], *, seed: int, tell: Tell) -> list[Tally]:
    """A tally for each kind that was not left out; `LANES` parts at once, by `python -m tests.faults --part`."""
    works = [(kind, name) for kind in kinds for name in parts_of(kind)]
    works.sort(key=lambda work: _FIRST.index(work[1]) if work[1] in _FIRST else len(_FIRST))
    with tempfile.TemporaryDirectory(prefix="recloop-tallies-") as folder:

        def strike(work: tuple[str, str]) -> Tally | None:
            kind, name = work
            into = Path(folder) / f"{kind}-{name.replace(' ', '-')}.json"
            command = [sys.executable, "-m", "tests.faults", "--only", kind, "--part", name]
            return struck_part(work, [*command, "--seed", str(seed), "--tally", str(into)], into, tell=tell)

        with ThreadPoolExecutor(LANES) as lanes:
            try:
                found = list(lanes.map(strike, works))
            except KeyboardInterrupt:  # a group of its own does not hear of Ctrl-C
                lanes.shutdown(wait=False, cancel_futures=True)
                for group in tuple(_running):
                    _end(group)
                raise
    by_kind = {kind: [tally for tally in found if tally and tally.kind == kind] for kind in kinds}
    return [_sum(kind, tallies) for kind, tallies in by_kind.items() if tallies]


def struck_part(
    work: tuple[str, str], command: Sequence[str], into: Path, *, tell: Tell, patience: float = PATIENCE
) -> Tally | None:
    """What the part's process left at `into`; None: it was left out, and said why.

    One that left nothing, armed nothing, or did not end within `patience` seconds is a violation, and its whole group
    is ended: a server or a lane of it that lives would hold what it prints open.
    """
    kind, name = work
    begun, trouble, code = time.monotonic(), "", None
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    _running.add(process.pid)
    saying = threading.Thread(target=_say, args=(process.stdout, tell), daemon=True)
    saying.start()
    try:
        code = process.wait(patience)
    except subprocess.TimeoutExpired:
        trouble = f"it had not ended after {patience:.0f} s"
    saying.join(_LAST_WORDS)
    _end(process.pid)
    process.wait()
    _running.discard(process.pid)
    saying.join(_LAST_WORDS)
    if not saying.is_alive():
        process.stdout.close()
    told = json.loads(into.read_text()) if into.exists() else {}
    if told is None:
        return None
    tally = Tally(**told) if told else Tally(kind=kind, seconds=time.monotonic() - begun)
    if not (told or trouble):
        trouble = f"it ended with {code}, and left no tally"
    if told and not tally.armed:
        trouble = "it armed nothing"
    if trouble:
        tell(f"{kind} / {name}: {trouble}")
        tally.armed, tally.violated = tally.armed + 1, tally.violated + 1
        tally.trouble.append(f"{kind} / {name}: {trouble}")
    return tally


def _end(group: int) -> None:
    with suppress(ProcessLookupError):  # nobody of it is left, as it should be
        os.killpg(group, signal.SIGKILL)


def _say(lines: IO[str], tell: Tell) -> None:
    for line in lines:
        tell(line.rstrip("\n"))


def keep_tally(tally: Tally | None, path: Path) -> None:
    """Where the process that began this one reads it; whole, or not there. None: the part was left out."""
    aside = path.with_suffix(".aside")
    aside.write_text(json.dumps(asdict(tally) if tally else None))
    os.replace(aside, path)


def _sum(kind: str, parts: Sequence[Tally]) -> Tally:
    """Of parts that ran beside one another, the seconds are those of the longest."""
    whole = Tally(kind=kind, seconds=max(part.seconds for part in parts))
    for part in parts:
        whole.armed += part.armed
        whole.fired += part.fired
        whole.violated += part.violated
        whole.cpu_seconds += part.cpu_seconds
        whole.trouble += part.trouble
    return whole
