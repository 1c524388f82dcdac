"""The open warehouse of this process, and who may retrain on it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from flows.settings import Settings, load_settings

if TYPE_CHECKING:
    from components.data.warehouse import Engine


RETRAINING = "retraining"  # the lease that a retraining holds
SCORING = "scoring"  # the lease that a batch scoring holds


def refuse_if_retraining() -> None:
    """Raise LeaseHeld, naming the holder, if a retraining of this warehouse goes on. Takes nothing."""
    from components.data.lease import refuse_if_held

    refuse_if_held(warehouse(), RETRAINING)


def warehouse(settings: Settings | None = None) -> Engine:
    """One engine a process and address; opened, and migrated, at first use."""
    return _open((settings or load_settings()).warehouse_url.get_secret_value())


@cache
def _open(url: str) -> Engine:
    from components.data.warehouse import open_warehouse

    return open_warehouse(url)
