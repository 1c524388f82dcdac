"""Times written out otherwise than in ISO 8601: in which form, as far as the values tell.

The month by name as C and mail write it, and days first or months first between slashes, dots and dashes. Which of
two forms is meant where all values fit both only a person can say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import product

_LOOKED_AT = 1000
_BY_NAME = (
    "%a %b %d %H:%M:%S %z %Y",  # of Twitter, Goodreads, Foursquare
    "%a %b %d %H:%M:%S %Y",  # of C
    "%a, %d %b %Y %H:%M:%S %z",  # of mail
    "%d/%b/%Y:%H:%M:%S %z",  # of web servers
    "%d %b %Y, %H:%M",
    "%d %b %Y %H:%M:%S",
    "%b %d, %Y %H:%M:%S",
    "%b %d, %Y %I:%M:%S %p",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d %B %Y",
    "%d %b %Y",
)
_DAYS = (
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
)
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S %z")


def written_forms(texts: Sequence[str]) -> tuple[str, ...]:
    """The strptime forms that all of these (the first 1,000) are in, one for each meaning.

    None, one, or two that differ in which number is the day.
    """
    looked_at = list(dict.fromkeys(texts))[:_LOOKED_AT]
    meanings: dict[tuple[datetime, ...], str] = {}
    for form in _forms() if looked_at else ():
        if moments := _read(looked_at, form):
            meanings.setdefault(moments, form)
    return tuple(meanings.values())


def _forms() -> Iterator[str]:
    yield from _BY_NAME
    yield from (day + clock for day, clock in product(_DAYS, _CLOCKS))


def _read(texts: Sequence[str], form: str) -> tuple[datetime, ...]:
    """The moments; () where one of the texts is not in this form."""
    try:
        return tuple(datetime.strptime(text, form) for text in texts)
    except ValueError:
        return ()
