"""Ranges of values as one line: `rating=0:10,purchase=0:10000`. An event of such a type needs a value in its range."""

from __future__ import annotations

import math


def read_value_ranges(text: str) -> dict[str, tuple[float, float]]:
    """Event type → lowest and highest value; none for "none". Raises ValueError naming the part that is none."""
    ranges = {}
    for part in [] if text.strip() == "none" else text.split(","):
        event_type, equals, bounds = part.strip().partition("=")
        low, colon, high = bounds.partition(":")
        try:
            pair = (float(low), float(high))
        except ValueError:
            pair = (math.nan, math.nan)
        if not (event_type and equals and colon and pair[0] <= pair[1]):
            raise ValueError(
                f"{part.strip()!r} is no range of values: write type=low:high, such as rating=0:100, or none"
            )
        ranges[event_type] = pair
    return ranges
