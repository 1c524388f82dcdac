"""Timestamps as sources write them, sorted into moments and what cannot be one.

A moment is a datetime with a zone, ISO 8601 text with an offset (`1998-04-01T00:00:00Z`), or epoch seconds
as number or text. Nothing is guessed: a datetime without a zone is naive, and a number outside
[1e8, 1e11) (March 1973 to the year 5138) is unreadable, since it is a year, a date written as digits, or
milliseconds. The same span holds for every form of a time, since events were logged by machines; what may be older,
as a book is, says so with `dated_back`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

MOMENT, NAIVE, MISSING, UNREADABLE = "moment", "naive", "missing", "unreadable"
_FORMS = (MOMENT, NAIVE, MISSING, UNREADABLE)
_CODE = {form: np.int8(code) for code, form in enumerate(_FORMS)}

_EPOCH = re.compile(r"[0-9]{9,11}(\.[0-9]+)?")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.,]+)?")
_ISO_WITH_ZONE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.,]+) ?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)")
_OLDEST_SECONDS, _END_SECONDS = 1e8, 1e11
_OLDEST = pd.Timestamp(_OLDEST_SECONDS, unit="s", tz="UTC")


@dataclass(frozen=True, kw_only=True)
class Timestamps:
    """One row for each row read, under the same index."""

    moments: pd.Series  # datetime64[us, UTC]; NaT where the form is not "moment"
    form: pd.Series  # categorical: moment | naive | missing | unreadable


def read_timestamps(raw: pd.Series, *, dated_back: bool = False) -> Timestamps:
    """Sort a column of any type into moments, naive, missing and unreadable ones. Never raises on a value.

    A time that is written out and lies before March 1973 is a moment only with `dated_back`.
    """
    read = _sorted(raw)
    early = read.moments < _OLDEST
    if dated_back or not early.any():
        return read
    return Timestamps(moments=read.moments.where(~early), form=read.form.where(~early, UNREADABLE))


def _sorted(raw: pd.Series) -> Timestamps:
    if isinstance(raw.dtype, pd.DatetimeTZDtype):
        moments = raw.dt.tz_convert("UTC").dt.as_unit("us")
        form = np.where(raw.notna(), _CODE[MOMENT], _CODE[MISSING])
    elif pd.api.types.is_datetime64_any_dtype(raw):
        moments = _no_moments(raw)
        form = np.where(raw.notna(), _CODE[NAIVE], _CODE[MISSING])
    elif pd.api.types.is_numeric_dtype(raw) and not pd.api.types.is_bool_dtype(raw):
        moments = _from_epoch(raw)
        readable = np.where(moments.notna(), _CODE[MOMENT], _CODE[UNREADABLE])
        form = np.where(raw.isna(), _CODE[MISSING], readable)
    else:
        moments, words = _read_objects(raw)
        form = np.array([_CODE[word] for word in words], dtype=np.int8)
    words_of = pd.Categorical.from_codes(form.astype(np.int8), categories=_FORMS)
    return Timestamps(moments=moments, form=pd.Series(words_of, index=raw.index))


def _from_epoch(seconds: pd.Series) -> pd.Series:
    numbers = seconds.astype("float64")
    sound = numbers.between(_OLDEST_SECONDS, _END_SECONDS, inclusive="left")
    micros = (numbers.where(sound, 0.0) * 1e6).round().astype("int64")
    moments = pd.Series(micros.to_numpy().view("datetime64[us]"), index=seconds.index)
    return moments.where(sound, pd.NaT).dt.tz_localize("UTC")


def _read_objects(raw: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Mixed columns go through text: each value is classed by its shape, then each class parsed at once."""
    texts = [_text(value) for value in raw.tolist()]
    shapes = np.array([_shape(text) for text in texts], dtype=object)
    moments, form = _no_moments(raw), np.where(shapes == MISSING, MISSING, UNREADABLE).astype(object)
    column = pd.Series(texts, index=raw.index, dtype=object)
    for shape, parse in (("epoch", _parse_epoch), ("zoned", _parse_iso)):
        if (rows := shapes == shape).any():
            parsed = parse(column[rows])
            moments[rows] = parsed
            form[rows] = np.where(parsed.notna(), MOMENT, UNREADABLE)
    if (rows := shapes == NAIVE).any():
        form[rows] = np.where(_parse_iso(column[rows]).notna(), NAIVE, UNREADABLE)
    return moments, form


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, (datetime, date)):
        return value.isoformat() if value is not pd.NaT else None
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return None
    if isinstance(value, (float, np.floating)):
        return f"{value:.6f}"
    return str(value)


def _shape(text: str | None) -> str:
    if text is None:
        return MISSING
    if _EPOCH.fullmatch(text):
        return "epoch"
    if _ISO_WITH_ZONE.fullmatch(text):
        return "zoned"
    return NAIVE if _ISO.fullmatch(text) else UNREADABLE


def _parse_epoch(texts: pd.Series) -> pd.Series:
    return _from_epoch(texts.astype("float64"))


def _parse_iso(texts: pd.Series) -> pd.Series:
    without_name = texts.str.replace(" ?UTC$", "Z", regex=True)
    return pd.to_datetime(without_name, format="ISO8601", utc=True, errors="coerce").dt.as_unit("us")


def _no_moments(raw: pd.Series) -> pd.Series:
    return pd.Series(pd.NaT, index=raw.index, dtype="datetime64[us, UTC]")
