"""A line of numbers by event type, `view=0.2,cart=0.5`, as a person types it: weights, and parts of a preference."""

from __future__ import annotations

import math


def numbers_by_type(text: str, *, called: str, of: str, example: str, zero: str = "") -> dict[str, float]:
    """Event type → number from 0 on, in the order of the line; empty for "".

    `called` is a number's name, `of` what it is a number of, `example` one that may be copied, `zero` as below. Raises
    ValueError naming the piece that is none, and a type that is named with two.
    """
    found: dict[str, float] = {}
    for piece in text.split(",") if text.strip() else []:
        event_type, equals, said = (part.strip() for part in piece.rpartition("="))
        if not (event_type and equals and said):
            raise ValueError(
                f"{piece.strip()!r} is no {called} of {of}: write type={called}, such as {example}"
            )
        number = from_zero_on(event_type, said, called=called, zero=zero)
        if found.get(event_type, number) != number:
            raise ValueError(
                f"{event_type!r} has two {called}s, {found[event_type]:g} and {number:g}: say one"
            )
        found[event_type] = number
    return found


def from_zero_on(event_type: str, said: object, *, called: str, zero: str = "") -> float:
    """What was said of a type as a number; `zero` tells a person what 0 would mean.

    Raises ValueError for what is none, is negative or not finite, and for a type with a comma in it.
    """
    try:
        number = math.nan if isinstance(said, bool) else float(said)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(
            f"{event_type}={said} is no {called}: write a number from 0 on, such as {event_type}=0.2{zero}"
        )
    if "," in event_type:
        raise ValueError(
            f"{event_type!r} has a comma, which parts one {called} from the next: give the type another name"
        )
    return number + 0.0  # -0 is 0
