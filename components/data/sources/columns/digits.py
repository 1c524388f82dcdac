"""Numbers in a column of times that are no epoch seconds: milliseconds, dates written as digits, day numbers.

Told by column, since a single number may be anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

_MONTH, _DAY, _HOUR, _MINUTE = (
    "(0[1-9]|1[0-2])", "(0[1-9]|[12][0-9]|3[01])", "([01][0-9]|2[0-3])", "[0-5][0-9]",
)  # fmt: skip
_YEAR, _YY = "(19|20)[0-9]{2}", "[0-9]{2}"
_DATES = (  # how it is written → the format that reads it, and how it looks
    ("YYYYMMDD", "%Y%m%d", _YEAR + _MONTH + _DAY),
    ("YYMMDD", "%y%m%d", _YY + _MONTH + _DAY),
    ("YYYYMMDDHHMMSS", "%Y%m%d%H%M%S", _YEAR + _MONTH + _DAY + _HOUR + _MINUTE + _MINUTE),
    ("YYYYMMDDHHMM", "%Y%m%d%H%M", _YEAR + _MONTH + _DAY + _HOUR + _MINUTE),
    ("YYMMDDHHMMSS", "%y%m%d%H%M%S", _YY + _MONTH + _DAY + _HOUR + _MINUTE + _MINUTE),
    ("YYMMDDHHMM", "%y%m%d%H%M", _YY + _MONTH + _DAY + _HOUR + _MINUTE),
    ("YYYYMMDDHH", "%Y%m%d%H", _YEAR + _MONTH + _DAY + _HOUR),
    ("DDMMYYYY", "%d%m%Y", _DAY + _MONTH + _YEAR),
    ("MMDDYYYY", "%m%d%Y", _MONTH + _DAY + _YEAR),
    ("DDMMYYYYHHMM", "%d%m%Y%H%M", _DAY + _MONTH + _YEAR + _HOUR + _MINUTE),
    ("DDMMYYYYHHMMSS", "%d%m%Y%H%M%S", _DAY + _MONTH + _YEAR + _HOUR + _MINUTE + _MINUTE),
    ("DDMMYYHHMM", "%d%m%y%H%M", _DAY + _MONTH + _YY + _HOUR + _MINUTE),
    ("MMDDYYHHMM", "%m%d%y%H%M", _MONTH + _DAY + _YY + _HOUR + _MINUTE),
)
_UNITS = {12: "ms", 13: "ms", 14: "ms", 15: "us", 16: "us", 17: "us", 18: "ns", 19: "ns"}
_UNIT_WORDS = {"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_WIDE = (
    10_000  # so far apart, dates of minutes as digits pass an hour's end, and seconds do not keep to minutes
)


@dataclass(frozen=True, kw_only=True)
class DigitsTold:
    """What the numbers of a column look like, other than epoch seconds."""

    looks_like: str
    unit: str  # what to say so that they are read; "" if nothing reads them


def judge_digits(texts: pa.ChunkedArray) -> DigitsTold | None:
    """None where the column's numbers may well be epoch seconds, or are few, or mixed.

    `texts` are the values as text, whole numbers or with a fraction; others are ignored.
    """
    is_number = pc.match_substring_regex(texts, r"^[0-9]{1,25}(\.[0-9]*)?$")
    numbers = pc.utf8_trim_whitespace(texts.filter(pc.fill_null(is_number, False)))
    if len(numbers) == 0 or len(numbers) * 2 < len(texts) - texts.null_count:
        return None
    whole = pc.unique(pc.replace_substring_regex(numbers, r"\.[0-9]*$", ""))
    lengths = pc.value_counts(pc.utf8_length(whole)).to_pylist()
    length = max(lengths, key=lambda pair: pair["counts"])["values"]
    if sum(pair["counts"] for pair in lengths if pair["values"] == length) < len(whole) / 2:
        return None
    same = whole.filter(pc.equal(pc.utf8_length(whole), length))
    return _of_length(same, length)


def _of_length(numbers: pa.Array, length: int) -> DigitsTold | None:
    values = numbers.to_pylist()
    if date := _as_dates(values, length):
        return date
    if unit := _UNITS.get(length):
        return DigitsTold(looks_like=f"{_UNIT_WORDS[unit]} ({length} digits)", unit=unit)
    if length == 5 and all(20_000 <= int(value) <= 60_000 for value in values):
        return DigitsTold(looks_like="day numbers of a spreadsheet", unit="")
    if length == 4 and all(1900 <= int(value) <= 2100 for value in values):
        return DigitsTold(looks_like="years", unit="%Y")
    if length < 9:
        return DigitsTold(looks_like=f"seconds from some start ({length} digits)", unit="s:start=<MOMENT>")
    return None


def _as_dates(values: list[str], length: int) -> DigitsTold | None:
    """All values are dates in one way of writing them, and it is not by chance that seconds look so."""
    for written, unit, pattern in _DATES:
        if len(written) != length:
            continue
        look = re.compile(pattern)
        if not all(look.fullmatch(value) for value in values):
            continue
        if length == 10 and not _not_by_chance(values):
            continue
        return DigitsTold(looks_like=f"a date written as digits ({written})", unit=unit)
    return None


def _not_by_chance(values: list[str]) -> bool:
    """Ten digits are epoch seconds too: one number in 200 of those looks like a date."""
    numbers = [int(value) for value in values]
    return max(numbers) - min(numbers) >= _WIDE or (len(values) >= 2 and min(numbers) >= 1_800_000_000)
