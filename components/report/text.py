"""Text of others made safe for a page, and numbers as a journal sets them."""

from __future__ import annotations

import math
import re
from html import escape

NOT_KNOWN = "–"
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_LONGEST = 160  # characters of a title


def clean(value: str, longest: int = _LONGEST) -> str:
    """Without control characters and lone surrogates, which no page can hold, and of a readable length."""
    short = value if len(value) <= longest else value[: longest - 1] + "…"
    return _UNPRINTABLE.sub("\ufffd", short)


def safe(value: str, longest: int = _LONGEST) -> str:
    """Clean, and with every sign of HTML escaped."""
    return escape(clean(value, longest))


def titled(value: str) -> str:
    """A title in its own direction: right-to-left text does not turn what stands beside it."""
    return f'<bdi dir="auto">{safe(value)}</bdi>'


def number(value: float | None, form: str = ".4f") -> str:
    """With a true minus sign; a dash for what is missing or not finite."""
    if value is None or not math.isfinite(value):
        return NOT_KNOWN
    return format(value, form).replace("-", "−")


def share(value: float | None) -> str:
    """0.123 as 12.3 %."""
    return NOT_KNOWN if value is None or not math.isfinite(value) else f"{number(100 * value, '.1f')} %"


def span(lower: float, upper: float, form: str = "+.4f") -> str:
    """An interval, both ends with their sign."""
    return f"[{number(lower, form)}, {number(upper, form)}]"
