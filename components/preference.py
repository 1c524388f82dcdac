"""A preference over event types, `purchase=0.8,click=0.2`: what the lists of an arm of several objectives aim at.

Only ratios matter: the parts are brought to the sum 1, in the order of their types, so two lines that mean the same
are the same text. A type that is not named has no part. No line at all is the same part for every type.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from components.numbers_by_type import numbers_by_type

_ROUNDING = 1e-5  # of the sum of parts, each of which is written with six digits


def read_preference(text: str) -> dict[str, float]:
    """Event type → its part, above 0; their sum is 1, to rounding. Empty for "".

    Raises ValueError naming what is no part, a type that is named with two, and where all parts are 0.
    """
    found = numbers_by_type(text, called="part", of="a preference", example="purchase=0.8")
    if not isfinite(sum(found.values())):
        raise ValueError(f"the parts of {text!r} are too large to be summed: only their ratios matter")
    if found and not sum(found.values()):
        raise ValueError(
            f"the preference {text!r} has no part above 0: write one, such as {next(iter(found))}=1"
        )
    return _of_sum_one(found)


def preference_text(preference: Mapping[str, float]) -> str:
    """The line that `read_preference` reads."""
    return ",".join(f"{name}={share:.6g}" for name, share in _of_sum_one(preference).items())


def _of_sum_one(parts: Mapping[str, float]) -> dict[str, float]:
    total = sum(parts.values())
    if abs(total - 1) < _ROUNDING:  # a line that was written here stays as it is
        total = 1.0
    return {name: parts[name] / total for name in sorted(parts) if parts[name]}
