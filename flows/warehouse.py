"""The open warehouse of this process."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from flows.settings import Settings, load_settings

if TYPE_CHECKING:
    from components.data.warehouse import Engine


def warehouse(settings: Settings | None = None) -> Engine:
    """One engine a process and address; opened, and migrated, at first use."""
    return _open((settings or load_settings()).warehouse_url.get_secret_value())


@cache
def _open(url: str) -> Engine:
    from components.data.warehouse import open_warehouse

    return open_warehouse(url)
