"""Which lists were served to whom, and by which model version."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, insert

from components.data.moments import Clock, to_micros, utc_now
from components.data.schema import recommendations
from components.data.warehouse import writing


def record_list(
    engine: Engine,
    *,
    user_id: str,
    item_ids: Sequence[str],
    scores: Sequence[float],
    model_version: str,
    now: Clock = utc_now,
) -> None:
    """Note one list, best first. Raises ValueError if items and scores differ in number."""
    at = to_micros(now())
    rows = [
        {"user_id": user_id, "item_id": item_id, "rank": rank, "score": float(score)}
        | {"model_version": model_version, "served_at": at}
        for rank, (item_id, score) in enumerate(zip(item_ids, scores, strict=True), start=1)
    ]
    if rows:
        with writing(engine, "recommendations") as connection:
            connection.execute(insert(recommendations), rows)
