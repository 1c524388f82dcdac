"""The page of a run: a table of kinds, and which crash points are struck, by whom."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.faults.crash_points import Point, crash_points
from tests.faults.fault import Tally


def page(tallies: Sequence[Tally], *, with_points: bool, seconds: float) -> str:
    lines = ["", "| kind | armed | fired | violated | seconds | CPU s |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
    for one in tallies:
        figures = (
            f"{one.armed:,} | {one.fired:,} | {one.violated:,} | {one.seconds:.0f} | {one.cpu_seconds:.0f}"
        )
        lines.append(f"| {one.kind} | {figures} |")
    cpu = sum(one.cpu_seconds for one in tallies)
    lines += ["", f"{seconds:.0f} s by the clock, {cpu:.0f} CPU s."]
    if with_points:
        lines += ["", *_points(crash_points())]
    return "\n".join(lines) + "\n"


def as_json(tallies: Sequence[Tally]) -> str:
    """One line: the sums, and the same by kind."""
    figures = ("armed", "fired", "violated")
    told: dict[str, object] = {name: sum(getattr(one, name) for one in tallies) for name in figures}
    told["by kind"] = {one.kind: {name: getattr(one, name) for name in figures} for one in tallies}
    return json.dumps(told)


def _points(points: Sequence[Point]) -> list[str]:
    here = sum(point.is_here for point in points)
    elsewhere = [point for point in points if not point.is_here and point.tests]
    nowhere = [point.name for point in points if not point.is_here and not point.tests]
    lines = [f"{len(points)} crash points stand in the code; {here} are struck here."]
    lines += [f"{point.name}: by {point.tests[0]}" for point in elsewhere]
    return [*lines, f"By no test: {', '.join(nowhere) or 'none'}."]
