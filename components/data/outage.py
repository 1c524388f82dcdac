"""An outage of the warehouse, told apart from a fault of ours: a long-running command waits it out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import InterfaceError, OperationalError

from components.data.warehouse import WarehouseUnreachable


@contextmanager
def telling_outages() -> Iterator[None]:
    """Turn a lost connection or a locked database in the block into WarehouseUnreachable."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise WarehouseUnreachable(
            f"the warehouse does not answer ({str(error.orig).strip()}). Check that the database runs; "
            "RECLOOP_WAREHOUSE_URL names it."
        ) from error
