"""Measures of drift as rows of Prefect's page: what a reader asks first stands first."""

from __future__ import annotations

from collections.abc import Iterable

from components.monitoring.measure import Measure


def measure_rows(measures: Iterable[Measure]) -> list[dict[str, str | float | None]]:
    return [
        {
            "measure": one.title,
            "status": one.status,
            "value": _rounded(one.value),
            "drifts from": one.drift,
            "what it says": one.meaning,
            "why": one.reason,
            "name": one.name,
        }
        for one in measures
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
