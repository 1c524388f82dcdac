"""Times as they stand in a file, or, where their unit is told, as moments.

Without a unit nothing is changed: `components.data.timestamps` says row by row what is a moment. What is amiss with
the column as a whole (its type, its unit) is refused here, with the unit to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd
import pyarrow as pa

from components.data.batch import DataContractError
from components.data.moments import to_micros
from components.data.sources.columns.digits import judge_digits
from components.data.sources.columns.words import stripped, without_missing_words
from components.data.sources.columns.written import written_forms
from components.data.timestamps import NAIVE, read_timestamps

PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
DAY = "date"
_LOOKED_AT = 100_000  # numbers whose digits are looked at before those of all
_SECONDS_HELD = 1e11  # more are no time of this epoch


@dataclass(frozen=True, kw_only=True)
class TimeForm:
    """How a column of times is to be understood."""

    unit: str = ""  # s | ms | us | ns, `date` for days, or a strptime format; "": as it stands
    zone: str = ""  # IANA name, for times that name none; "": such times are not guessed
    start: datetime | None = None  # numbers count from here; None: from 1970

    def __post_init__(self) -> None:
        if self.unit and self.unit not in PER_SECOND and self.unit != DAY and "%" not in self.unit:
            raise ValueError(
                f"{self.unit!r} is no unit of time: write s, ms, us, ns, date, or a format such as %Y%m%d%H%M"
            )
        if self.zone:
            try:
                ZoneInfo(self.zone)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise ValueError(
                    f"{self.zone!r} is no time zone: write UTC or a name such as Europe/Berlin"
                ) from error


def read_times(
    column: pa.ChunkedArray, *, name: str, field: str, path: Path, form: TimeForm, days: bool = False
) -> tuple[pd.Series, tuple[str, ...]]:
    """The column for `read_timestamps`, and what was taken for granted. `field` is our name of it.

    `days`: a day alone means its start in UTC. Raises DataContractError for a column that cannot be read.
    """
    where = f"{path}: column {name!r}"
    _refuse_lossy(column, where)
    column = _plain(column)
    if form.unit in PER_SECOND:
        return _of_numbers(column, form, dated_back=days), ()
    if "%" in form.unit:
        return _of_format(column, form, where), ()
    if form.unit == DAY:
        return _in_zone(_text_days(column), form.zone or "UTC"), () if form.zone else (
            f"{name}: a day is taken to start at 00:00 UTC",
        )
    _refuse_digits(column, where, field, name)
    _refuse_written(column, where)
    raw = column.to_pandas()
    if form.zone:
        return _in_zone(raw, form.zone), ()
    return _days_from_utc(raw, name) if days else (raw, ())


def _refuse_lossy(column: pa.ChunkedArray, where: str) -> None:
    kind = column.type
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        step = "about two minutes" if pa.types.is_float32(kind) else "years"
        raise DataContractError(
            f"{where} is of type {kind}, which rounds epoch seconds to {step}: the times are lost. Export it as int64, "
            "float64 or a timestamp with a zone."
        )
    if (
        pa.types.is_nested(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_time(kind)
        or pa.types.is_duration(kind)
    ):
        raise DataContractError(
            f"{where} is of type {kind}, which holds no moments. Export epoch seconds or a timestamp with a zone."
        )


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Microseconds for timestamps, text for bytes, days and decimals; text without missing words and blanks."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", kind.tz), safe=False)
    if pa.types.is_date(kind) or pa.types.is_decimal(kind) or pa.types.is_binary(kind):
        column = column.cast(pa.string())
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type):
        return without_missing_words(stripped(column)[0])[0]
    if pa.types.is_integer(kind) and column.null_count:
        return column.cast(pa.string())  # a null beside whole numbers would make floats of them
    return column


def _refuse_digits(column: pa.ChunkedArray, where: str, field: str, name: str) -> None:
    if pa.types.is_timestamp(column.type):
        return
    if judge_digits(_digits_of(_some_of(column))) is None:
        return
    texts = _digits_of(column)
    told = judge_digits(texts)
    if told is None:
        return
    first = next(value for value in texts.to_pylist() if value)
    say = (
        f"if that is so, say --map {field}={name}:{told.unit}"
        if told.unit
        else "write them as epoch seconds or ISO 8601"
    )
    if "%" in told.unit:
        say += " with --zone UTC, or the zone it was written in"
    raise DataContractError(
        f"{where} looks like {told.looks_like}, not epoch seconds (first: {first}); {say}. Epoch seconds have nine or "
        "ten digits."
    )


def _refuse_written(column: pa.ChunkedArray, where: str) -> None:
    """Times in a form of their own, as most of the column is: what it is has to be said. A few are a row's matter."""
    if not pa.types.is_string(column.type):
        return
    some = _some_of(column, 1000)
    texts = some.drop_null().to_pylist()
    if len(texts) * 2 <= len(some) or not (forms := written_forms(texts)):
        return
    raise DataContractError(
        f"{where} holds times written as {' or '.join(forms)} (first: {texts[0]}). Say so in recloop.yaml, which "
        f'`recloop init` writes, as unit: "{forms[0]}"{"" if "%z" in forms[0] else ", with their zone"}.'
    )


def _some_of(column: pa.ChunkedArray, most: int = _LOOKED_AT) -> pa.ChunkedArray:
    """Evenly spread rows: a column without dates or milliseconds shows it in these, and no other one is spelled."""
    step = -(-len(column) // most)
    return column if step <= 1 else column.take(pa.array(range(0, len(column), step)))


def _digits_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_floating(column.type):
        return column.cast(pa.string())
    texts = [None if v is None or v != v else f"{v:.3f}" for v in column.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _of_numbers(column: pa.ChunkedArray, form: TimeForm, *, dated_back: bool) -> pd.Series:
    """Moments by count; what is no number stays as text that says so, and is quarantined by row."""
    if pa.types.is_timestamp(column.type):
        return column.to_pandas()
    raw = column.to_pandas()
    numbers = pd.to_numeric(raw, errors="coerce")
    whole = pd.api.types.is_integer_dtype(numbers) and numbers.dtype != "uint64"
    numbers = numbers.astype("int64" if whole else "float64")
    per, start = PER_SECOND[form.unit], to_micros(form.start) if form.start else 0
    inside = numbers.abs() < per * _SECONDS_HELD  # before it is multiplied, which would wrap around
    numbers = numbers.where(inside, 0)
    if whole:
        micros = numbers * (1_000_000 // per) if per <= 1_000_000 else numbers // (per // 1_000_000)
    else:
        micros = (numbers / per * 1e6).round().astype("int64")
    held = (micros + start).to_numpy().astype("int64").view("datetime64[us]")
    moments = pd.Series(held, index=raw.index).dt.tz_localize("UTC")
    good = inside & numbers.notna() & _late_enough(moments, dated_back)
    if (good | raw.isna()).all():
        return moments.where(good)
    unread = raw.map(lambda value: f"{value} (no time in {form.unit})", na_action="ignore")
    return moments.astype(object).where(good, unread.where(raw.notna(), None))


def _late_enough(moments: pd.Series, dated_back: bool) -> pd.Series:
    return read_timestamps(moments, dated_back=dated_back).moments.notna()


def _of_format(column: pa.ChunkedArray, form: TimeForm, where: str) -> pd.Series:
    if not form.zone and "%z" not in form.unit:
        raise DataContractError(
            f"{where}: times as {form.unit} name no zone. Say it: --zone UTC, or where they were written."
        )
    texts = column.cast(pa.string()).to_pandas()
    if "%z" in form.unit:
        moments = pd.to_datetime(texts, format=form.unit, utc=True, errors="coerce")
    else:
        moments = _localized(pd.to_datetime(texts, format=form.unit, errors="coerce"), form.zone)
    if (moments.notna() | texts.isna()).all():
        return moments.dt.as_unit("us")
    unread = texts.map(lambda value: f"{value} (not as {form.unit})", na_action="ignore")
    return moments.astype(object).where(moments.notna(), unread.where(texts.notna(), None))


def _text_days(column: pa.ChunkedArray) -> pd.Series:
    return column.cast(pa.string()).to_pandas()


def _in_zone(raw: pd.Series, zone: str) -> pd.Series:
    """Naive times become moments of this zone's clock; times with a zone of their own, and numbers, stay."""
    naive = read_timestamps(raw).form == NAIVE
    if not naive.any():
        return raw
    told = pd.to_datetime(raw[naive].astype(str), format="ISO8601", errors="coerce")
    moments = _localized(told, zone)
    out = raw.astype(object)
    out[naive] = moments.astype(object).where(
        moments.notna(), raw[naive].astype(str) + f" (not once on the clock of {zone})"
    )
    return out.infer_objects() if naive.all() else out


def _localized(naive: pd.Series, zone: str) -> pd.Series:
    local = naive.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    return local.dt.tz_convert("UTC").dt.as_unit("us")


def _days_from_utc(raw: pd.Series, name: str) -> tuple[pd.Series, tuple[str, ...]]:
    if pd.api.types.is_numeric_dtype(raw) or pd.api.types.is_datetime64_any_dtype(raw):
        return raw, ()
    is_day = raw.astype(object).map(
        lambda value: isinstance(value, str) and len(value) == 10 and value[4:5] == "-" == value[7:8]
    )
    if not is_day.any():
        return raw, ()
    told = raw.astype(object).copy()
    told[is_day] = _in_zone(raw[is_day], "UTC")
    return told, (f"{name}: {int(is_day.sum()):,} values are days alone, and count from 00:00 UTC",)
