"""kill -9 at named points: the same call again ends in the state of an undisturbed run, by digest."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.faults import killed_registry, killed_worlds
from tests.faults.child import done, in_child
from tests.faults.fault import Fault, Outcome
from tests.faults.home import Stage, Work, changed_in, difference, kept, state_of

KIND = "kills"


@dataclass(frozen=True, kw_only=True)
class World:
    """Work on a home, and the crash points that it comes by."""

    name: str
    prepare: Work
    work: Work
    points: tuple[str, ...]
    is_short: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)  # {home} stands for the home


def _of_worlds(scratch: Path, *, short: bool, seed: int, erasing: bool) -> Iterator[Fault]:
    del seed
    for world in _worlds():
        if (world.name == "erase") is erasing and (world.is_short or not short):
            yield from _of_world(world, scratch)


def _registry(scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    del seed
    if not short:
        for name, point, strike in killed_registry.strikes(scratch):
            yield _fault(name, point, strike)


def _of_world(world: World, scratch: Path) -> Iterator[Fault]:
    stage = Stage(folder=scratch / world.name, prepare=world.prepare)
    home = stage.set()
    environment = {k: v.format(home=home) for k, v in world.environment.items()}
    done(lambda: world.work(home) and None, environment=environment)
    undisturbed = state_of(home), kept(home)
    for point in world.points:
        yield _fault(world.name, point, partial(_strike, world.work, stage, environment, point, undisturbed))


def _strike(
    work: Work,
    stage: Stage,
    environment: dict[str, str],
    point: str,
    undisturbed: tuple[str, dict[str, object]],
) -> Outcome:
    home = stage.set()
    ended = in_child(lambda: work(home) and None, environment=environment | {"CRASH_AT": point})
    if ended.signal != signal.SIGKILL:
        return Outcome(fired=False, violations=(ended.trace,) if ended.trace else ())
    again = in_child(lambda: work(home) and None, environment=environment)
    if not again.is_done:
        return Outcome(fired=True, violations=(f"the same call again fails: {again.error}: {again.message}",))
    if state_of(home) != undisturbed[0]:
        return Outcome(fired=True, violations=(f"another state: {difference(home, undisturbed[1])}",))
    return Outcome(fired=True, violations=tuple(changed_in(home)))


def _fault(where: str, point: str, strike: Callable[[], Outcome]) -> Fault:
    return Fault(
        kind=KIND, name=point, where=where, holds="run again, the state is that of no kill", strike=strike
    )


def _worlds() -> list[World]:
    worlds = killed_worlds
    return [
        World(
            name="land", prepare=worlds.opened, work=worlds.land,
            points=("ingest:before-commit", "ingest:after-commit"),
        ),
        World(
            name="snapshot", prepare=worlds.landed, work=worlds.snapshot,
            points=("snapshot:partitions-written", "snapshot:before-record"),
        ),
        World(
            name="publish", prepare=worlds.opened, work=worlds.published, points=("publish:before-copy",),
            environment=worlds.WITH_STORE,
        ),
        World(
            name="journal", prepare=worlds.opened, work=worlds.journalled, points=("journal:before-record",)
        ),
        World(
            name="lists", prepare=worlds.opened, work=worlds.listed, points=("recommendations:before-commit",)
        ),
        World(
            name="prune", prepare=worlds.cluttered, work=worlds.pruned, environment=worlds.WITH_STORE,
            points=(
                "prune:run-dropped", "prune:forgotten", "artifact:copy-removed", "artifact:removed-aside",
                "prune:removed",
            ),
        ),
        World(
            name="sequences", prepare=worlds.laid_out, work=worlds.sequences,
            points=("feature-store:written-aside",),
        ),
        World(
            name="release", prepare=worlds.quarantined, work=worlds.released,
            points=("release:before-commit",), is_short=False,
        ),
        World(
            name="erase", prepare=worlds.lived_in, work=worlds.erased, is_short=False,
            points=(
                "erase:tombstone", "erase:events-before-commit", "erase:days-written",
                "erase:snapshot-rewritten", "erase:snapshot-superseded", "artifact:removed-aside",
                "erase:rewritten", "erase:superseded",
                *(f"erase:{place}" for place in worlds.PLACES),
            ),
        ),
    ]  # fmt: skip


PARTS = {
    "homes": partial(_of_worlds, erasing=False),
    "erasures": partial(_of_worlds, erasing=True),  # as long as all others
    "registry": _registry,
}
STRUCK = tuple(point for world in _worlds() for point in world.points) + killed_registry.POINTS
