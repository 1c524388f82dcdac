"""Moments in the warehouse: int64 microseconds since 1970, UTC; exact and alike on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class NaiveMoment(ValueError):
    """A datetime without a time zone: which moment it means is not known, and is not guessed."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970, UTC. Raises NaiveMoment if the datetime has no zone."""
    if moment.tzinfo is None:
        raise NaiveMoment(
            f"{moment.isoformat()} has no time zone. Write it as UTC: {moment.isoformat()}+00:00"
        )
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
