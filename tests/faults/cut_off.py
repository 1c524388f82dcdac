"""A call of ours while the road to a service is cut, the same call again once it is open, and what then stands there.

Calls that wait for an answer wait beside one another: several lanes, each a process with a road of its own.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from tests.faults.child import done, in_child
from tests.faults.fault import Fault, Outcome
from tests.faults.wire import HOWS, Cut, How, Wire, wire_to

KIND = "services"
LONGEST = (
    15.0  # seconds that a call waits, over twice what it waits undisturbed: other work may share the machine
)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where a road is cut."""

    name: str
    call: str  # of the calls of the service
    what: str
    at: int = 1
    slow: float = 20.0  # seconds that a slow answer takes
    hows: tuple[How, ...] = tuple(HOWS)
    longest: float = LONGEST  # seconds that the call may wait
    raises: bool = True  # whether it may fail at all: a training goes on


@dataclass(frozen=True, kw_only=True)
class Call:
    """Work through functions of ours; `fresh` makes its ground, past the road; `seen` is what then stands there."""

    fresh: Callable[[Wire, str], Any]
    work: Callable[[Any], object]
    seen: Callable[[Any], object]


@dataclass(frozen=True, kw_only=True)
class Service:
    """A real one, that runs."""

    name: str
    port: int
    protocol: Literal["http", "postgresql"]
    calls: Mapping[str, Call]
    points: Sequence[Point]
    is_told: Callable[[BaseException], bool]  # whether an error is one that says: this service is away
    address: str  # what such an error has to name; {road}: the port of the road
    secrets: tuple[str, ...] = ()
    stays: tuple[How, ...] = ("slow", "error")  # for as long as the call lasts
    back: float = 0.0  # seconds that it is down, if it is not so until the call has ended
    environment: Mapping[str, str] = field(default_factory=dict)


def faults(service: Service, *, lanes: int, hows: Sequence[How] = tuple(HOWS)) -> Iterator[Fault]:
    """Every point by every cut that it knows."""
    armed = [(point, how) for point in service.points for how in hows if how in point.hows]
    with closing(in_lanes(partial(_lane, service), armed, lanes)) as outcomes:
        for point, how in armed:
            yield Fault(
                kind=KIND, name=HOWS[how], where=f"{service.name}, {point.name}",
                holds=f"told as one error that says what is away, within {point.longest:.0f} s and twice what the "
                "undisturbed call waits; again, all is there, once",
                strike=lambda: next(outcomes),
            )  # fmt: skip


def in_lanes(
    lane: Callable[[Sequence[T], int], Iterator[Outcome]], works: Sequence[T], lanes: int
) -> Generator[Outcome, None, None]:
    """Outcomes in the order of the works, of which every lane takes each n-th, in a process of its own."""
    pipes, children = [], []
    for number in range(lanes):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _tell(writer, lane, works[number::lanes], number)
        os.close(writer)
        children.append(child)
        pipes.append(os.fdopen(reader))
    try:
        for at, work in enumerate(works):
            if not (line := pipes[at % lanes].readline()):
                raise RuntimeError(f"the lane ended before {work}")
            told = json.loads(line)
            yield Outcome(fired=told["fired"], violations=tuple(told["violations"]))
    finally:
        for pipe, child in zip(pipes, children, strict=True):
            pipe.close()
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)


def _tell(
    writer: int, lane: Callable[[Sequence[T], int], Iterator[Outcome]], works: Sequence[T], number: int
) -> None:
    try:
        with os.fdopen(writer, "w") as pipe:
            for outcome in lane(works, number):
                print(json.dumps(vars(outcome)), file=pipe, flush=True)
    except Exception as error:
        print(f"lane {number}: {type(error).__name__}: {error}", flush=True)
    finally:
        os._exit(0)


def _lane(service: Service, armed: Sequence[tuple[Point, How]], number: int) -> Iterator[Outcome]:
    signal.signal(signal.SIGTERM, _leave)
    undisturbed: dict[str, tuple[float, object]] = {}
    with wire_to(service.port, service.protocol) as wire:
        for at, (point, how) in enumerate(armed):
            call = service.calls[point.call]
            try:
                if point.call not in undisturbed:
                    undisturbed[point.call] = _undisturbed(service, call, wire, f"u{number}x{at}")
                yield _strike(service, point, how, wire, f"s{number}x{at}", undisturbed[point.call])
            except Exception as error:  # the harness itself: said, and the lane goes on
                yield Outcome(fired=True, violations=(f"{type(error).__name__}: {error}",))


def _leave(*_: object) -> None:
    raise SystemExit


def _undisturbed(service: Service, call: Call, wire: Wire, name: str) -> tuple[float, object]:
    """The same call twice, on an open road: the seconds of the first, and what stands there."""
    ground = call.fresh(wire, name)
    wire.arm(Cut(how="down", what="(?!)"))

    def twice() -> float:
        begun = _waited()
        call.work(ground)
        took = _waited() - begun
        call.work(ground)
        return took

    took = done(twice, environment=service.environment)
    if os.environ.get("RECLOOP_FAULTS_SEEN"):  # to write new points by
        print(*wire.disarm()[1], sep="\n")
    return took, done(partial(call.seen, ground))


def _strike(
    service: Service, point: Point, how: How, wire: Wire, name: str, undisturbed: tuple[float, object]
) -> Outcome:
    call = service.calls[point.call]
    ground = call.fresh(wire, name)
    stays = how in service.stays
    wire.arm(Cut(how=how, what=point.what, at=point.at, seconds=point.slow, stays=stays, back=service.back))
    ended = in_child(partial(_twice, call.work, ground, wire, service), environment=service.environment)
    if not ended.is_done:
        wire.disarm()
        return Outcome(fired=True, violations=(f"the harness's own work failed: {ended.trace}",))
    told = ended.result
    wrong = _wrong(service, point, told, undisturbed[0], service.address.format(road=wire.port))
    if (found := done(partial(call.seen, ground))) != undisturbed[1]:
        wrong.append(f"there is {_difference(found, undisturbed[1])}")
    return Outcome(fired=told["fired"] > 0, violations=tuple(wrong))


def _twice(work: Callable[[Any], object], ground: Any, wire: Wire, service: Service) -> dict[str, Any]:
    """Struck, then the same on an open road, in one process, as a task that is tried again."""
    struck = _timed(work, ground, service)
    fired, _ = wire.disarm()
    return {"struck": struck, "fired": fired, "again": _timed(work, ground, service)}


def _timed(work: Callable[[Any], object], ground: Any, service: Service) -> dict[str, Any]:
    begun, error = _waited(), None
    try:
        work(ground)
    except Exception as raised:
        error = raised
    return {
        "seconds": _waited() - begun, "error": type(error).__name__ if error else "",
        "message": str(error or ""), "is_told": error is None or service.is_told(error),
    }  # fmt: skip


def _waited() -> float:
    """A clock that stands still while this thread works, or stands in line for a processor (Linux tells)."""
    try:
        worked, in_line, _ = Path("/proc/thread-self/schedstat").read_text().split()
    except OSError:
        return time.monotonic()
    return time.monotonic() - (int(worked) + int(in_line)) / 1e9


def _wrong(service: Service, point: Point, told: dict[str, Any], took: float, address: str) -> list[str]:
    struck, again, wrong = told["struck"], told["again"], []
    if os.environ.get("RECLOOP_FAULTS_SEEN"):
        print(point.name, round(struck["seconds"], 1), struck["error"], struck["message"][:300])
    if struck["seconds"] > point.longest + 2 * took:
        wrong.append(f"the call waited {struck['seconds']:.1f} s, undisturbed {took:.1f} s")
    if struck["error"] and not (point.raises and struck["is_told"]):
        wrong.append(f"raised {struck['error']}: {struck['message'][:300]}")
    elif struck["error"] and not (address in struck["message"] and "again" in struck["message"]):
        wrong.append(f"told neither where nor what to do: {struck['message'][:300]}")
    if any(secret in struck["message"] for secret in service.secrets):
        wrong.append(f"showed a password: {struck['message'][:300]}")
    if again["error"]:
        wrong.append(f"the same call again fails: {again['error']}: {again['message'][:300]}")
    return wrong


def _difference(found: object, undisturbed: object) -> str:
    if not (isinstance(found, dict) and isinstance(undisturbed, dict)):
        return f"{found} in place of {undisturbed}"
    parts = [key for key in sorted({*found, *undisturbed}) if found.get(key) != undisturbed.get(key)]
    return "; ".join(
        f"{key}: {str(found.get(key))[:300]} in place of {str(undisturbed.get(key))[:300]}" for key in parts
    )
