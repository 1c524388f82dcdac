"""What goes wrong in a cycle, once: each fault is struck in a process of its own, before the undisturbed run."""

from __future__ import annotations

import errno
import os
import random
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults import refusing
from tests.faults.child import Ended, in_child
from tests.faults.refusing import Refusal
from tests.soak import upkeep
from tests.soak.cycle import cycle
from tests.soak.resident import silenced
from tests.soak.source import Day

RETENTION = 8  # cycles; a strike at pruning needs something that is older


@dataclass(kw_only=True)
class State:
    """What a strike may need to know of the soak so far."""

    home: Path
    day: Day
    verdict: str
    begin: Callable[[], object]  # of a child
    retention: timedelta
    seed: int
    champions: int = 0  # entries of the ledger
    is_pruned: bool = False  # something has been removed by age
    erased: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Struck:
    fired: bool
    violations: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Strike:
    kind: str
    name: str
    do: Callable[[State], Struck]
    can: Callable[[State], bool] = lambda state: True
    promotes: bool = False  # the cycle has to come by the points of a promotion
    spoils: int = 0  # rows of the day
    erases: bool = False  # a user, whom the cycle's undisturbed half erases once more


_CYCLE = (
    *(f"{stage}:{point}" for stage in ("check", "land", "freeze", "identify", "register", "lists")
      for point in ("start", "before-record")),
    "open:after-record", "rows:after-record", "bundle:before-record", "promote:start",
    "ingest:before-commit", "ingest:after-commit", "snapshot:partitions-written", "snapshot:before-record",
    "journal:before-record", "recommendations:before-commit",
    *(f"register:after-{step}" for step in
      ("facts", "pending", "upload", "log", "model", "create", "alias")),
)  # fmt: skip
_PROMOTION = ("promote:after-ledger", "promotion:after-alias", "promotion:after-challenger")
_PRUNING = ("prune:run-dropped", "prune:forgotten", "prune:removed", "artifact:removed-aside")
_ERASURE = (
    "erase:tombstone", "erase:events-before-commit", "erase:events", "erase:recommendations", "erase:days-written",
    "erase:snapshot-rewritten", "erase:snapshot-superseded", "erase:rewritten", "erase:superseded",
)  # fmt: skip
_DAMAGED = ("checked_batch", "snapshot", "training_set", "id_table", "bundle")


def every_strike(*, with_contracts: bool, with_refusals: bool) -> list[Strike]:
    """One of each; `with_contracts` those that load Great Expectations, `with_refusals` those of `refusing`."""
    found = [
        *(Strike(kind="kill", name=point, do=partial(_killed, point=point)) for point in _CYCLE),
        *(
            Strike(kind="kill", name=point, do=partial(_killed, point=point), promotes=True)
            for point in _PROMOTION
        ),
        *(
            Strike(
                kind="prune", name=point, do=partial(_killed_pruning, point=point), can=lambda s: s.is_pruned
            )
            for point in _PRUNING
        ),
        *(
            Strike(kind="erase", name=point, do=partial(_killed_erasing, point=point), erases=True)
            for point in _ERASURE
        ),
        *(
            Strike(
                kind="roll back", name=point, do=partial(_killed_going_back, point=point), can=_can_go_back
            )
            for point in ("rollback:after-ledger", "promotion:after-alias", "never")
        ),
        *(Strike(kind="damage", name=part, do=partial(_damaged, part=part)) for part in _DAMAGED),
        Strike(kind="lease", name="of a dead holder", do=_lease),
        Strike(kind="batch", name="the day again, in another order", do=_again),
    ]
    if with_contracts:
        found.append(Strike(kind="batch", name="spoiled rows", do=_spoiled, spoils=3))
    if with_refusals:
        found += [
            Strike(kind="disk", name=str(one), do=partial(_refused, refusal=one))
            for call, most in (("write", 40), ("fsync", 20), ("rename", 5), ("open", 20))
            for stays in (True, False)
            for one in [
                Refusal(call=call, at=most, error=errno.ENOSPC if stays else errno.EIO, stays=stays),
                Refusal(call=call, at=max(1, most // 3), error=errno.ENOSPC if stays else errno.EIO, stays=stays),
            ]
        ]  # fmt: skip
    return found


class Deck:
    """Strikes in a seeded order, each once before any comes again; one that cannot be struck yet waits."""

    def __init__(self, strikes: list[Strike], seed: int) -> None:
        self._all, self._left = strikes, list[Strike]()
        self._dice = random.Random(seed)  # noqa: S311

    def draw(self, state: State) -> Strike:
        for again in (False, True):
            if again or not self._left:
                self._left += self._dice.sample(self._all, len(self._all))
            for place, strike in enumerate(self._left):
                if strike.can(state):
                    return self._left.pop(place)
        raise AssertionError("no fault can be struck")


def _child(
    state: State, work: Callable[[], Any], environment: Mapping[str, str] | None = None, **more: Any
) -> Ended:
    def begun() -> None:
        silenced()
        state.begin()
        if first := more.pop("first", None):
            first()

    return in_child(work, environment=environment or {}, first=begun, last=more.pop("last", lambda: None))


def _cycle(state: State) -> None:
    cycle(state.day, verdict=state.verdict)


def _dies(state: State, work: Callable[[], Any], point: str) -> Struck:
    ended = _child(state, lambda: work() and None, {"CRASH_AT": point})
    return Struck(fired=ended.signal == signal.SIGKILL, violations=(ended.trace,) if ended.trace else ())


def _killed(state: State, *, point: str) -> Struck:
    return _dies(state, partial(_cycle, state), point)


def _killed_pruning(state: State, *, point: str) -> Struck:
    """Of what is a cycle younger than what the undisturbed pruning takes, so that there is something."""
    return _dies(state, partial(upkeep.swept, state.retention * 0.8), point)


def _killed_erasing(state: State, *, point: str) -> Struck:
    return _dies(state, partial(upkeep.erased, state.erased[-1]), point)


def _killed_going_back(state: State, *, point: str) -> Struck:
    work = partial(upkeep.rolled_back, state.champions)
    if point == "never":
        ended = _child(state, work)
        return Struck(fired=ended.is_done, violations=(ended.trace,) if ended.trace else ())
    return _dies(state, work, point)


def _can_go_back(state: State) -> bool:
    return state.champions >= 2


def _damaged(state: State, *, part: str) -> Struck:
    """Cut off before it registers, then a byte of what it had made by then flipped: refused by name, and made anew."""
    if not _killed(state, point="register:start").fired:
        return Struck(fired=False)
    folder = max((state.home / "artifacts" / part).glob("[!.]*"), key=lambda path: path.stat().st_mtime_ns)
    dice = random.Random(f"{state.seed} {state.day.number}")  # noqa: S311
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    path = dice.choice(files)
    content = bytearray(path.read_bytes())
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    path.write_bytes(content)
    ended = _child(state, partial(_cycle, state))
    for found in sorted(folder.rglob("*"), reverse=True):  # as the message tells: remove the folder
        found.rmdir() if found.is_dir() else found.unlink()
    folder.rmdir()
    if ended.error != "ArtifactDamaged" or folder.name not in ended.message:
        told = ended.trace or "nothing was told"
        return Struck(fired=True, violations=(f"{path.relative_to(state.home)} was damaged, and {told}",))
    return Struck(fired=True)


def _lease(state: State) -> Struck:
    ended = _child(state, upkeep.hold_and_die)
    return Struck(fired=ended.signal == signal.SIGKILL)


def _again(state: State) -> Struck:
    """The rows of the day before, and so all known."""
    before = Day(seed=state.day.seed, number=max(state.day.number - 1, 0))
    ended = _child(state, partial(upkeep.landed_again, before))
    if not ended.is_done:
        return Struck(fired=False, violations=(ended.trace,))
    return Struck(fired=ended.result["received"] == ended.result["duplicates"] + ended.result["refused"])


def _spoiled(state: State) -> Struck:
    """Killed between the verdict of the contracts and its record."""
    return _killed(state, point="check:before-record")


def _refused(state: State, *, refusal: Refusal) -> Struck:
    ended = _child(
        state, lambda: _cycle(state) and None, first=partial(refusal.arm, state.home), last=refusing.fired
    )
    if ended.signal:
        return Struck(fired=True, violations=(f"died of signal {ended.signal}",))
    return Struck(fired=bool(ended.result))


def environment(home: Path) -> dict[str, str]:
    """What every process of a soak finds."""
    return {
        "OMP_NUM_THREADS": "1",
        "RECLOOP_HOME": str(home),
        "RECLOOP_MODEL_NAME": "soak",
        "RECLOOP_ACTOR": "soak",
        "MLFLOW_TRACKING_URI": f"sqlite:///{home}/mlflow.db",
        "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # a forked child must not inherit connections
        "CRASH_AT": os.environ.get("CRASH_AT", ""),
    }
