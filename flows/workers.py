"""Which workers a stage has beside this process, as the settings say."""

from __future__ import annotations

from components.parallel.workers import Workers
from flows.settings import Settings


def workers_of(settings: Settings) -> Workers | None:
    """None where this process works alone.

    Workers of a Ray that is started here share this machine's threads; elsewhere each has as many as are set.
    """
    if settings.engine == "local":
        return None
    here = max(1, settings.threads // settings.workers)
    return Workers(
        count=settings.workers,
        address=settings.ray_address,
        threads=settings.threads if settings.ray_address else here,
        gpus_each=int(settings.device == "cuda"),
    )
