"""The registry as the terminal reaches it: its server if that answers, else the local database itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.local.console import console
from flows.local.servers import mlflow_address
from flows.settings import load_settings

if TYPE_CHECKING:
    from components.registry.promotion import PromotionResult
    from components.registry.registered import RegisteredModel
    from flows.settings import Settings


class NothingRegistered(Exception):
    """This home has no registry yet: nothing can be served, promoted or brought back."""


class NotMoved(Exception):
    """The promotion was refused, and says why."""


@contextmanager
def registry() -> Iterator[str]:
    """Point MLflow's client at the registry; yields the model's name.

    Raises NothingRegistered where the registry would be this home's own and no run has made it yet.
    """
    settings = load_settings()
    address = _address(settings)
    from components.registry import tracking

    tracking.configure(address)
    # MLflow notes the address in the environment, where settings are read anew: it would pass for somebody's server
    os.environ["MLFLOW_TRACKING_URI"] = settings.mlflow_tracking_uri
    yield settings.model_name


def model_now() -> RegisteredModel:
    """The model as the registry holds it; MLflow's client, 2 CPU seconds to load, is asked only where it must be.

    Raises NothingRegistered, TrackingUnreachable.
    """
    from components.registry.direct import read_model

    settings = load_settings()
    if (found := read_model(_address(settings), settings.model_name)) is not None:
        return found
    with registry() as name:
        from components.registry.versions import registered_model

        return registered_model(name)


def why_ledger_is_broken() -> str:
    """What is wrong with the ledger by its chain, and by MLflow where that is there to be asked; "" if nothing is."""
    from components.registry.ledger_check import why_broken
    from components.registry.registered import TrackingRefused, TrackingUnreachable
    from flows.warehouse import warehouse

    try:
        model = model_now()
    except (NothingRegistered, TrackingUnreachable, TrackingRefused):
        model = None
    return why_broken(warehouse(), model)


def _address(settings: Settings) -> str:
    if (address := mlflow_address(settings)) is None:
        raise NothingRegistered(
            f"there is no champion and no other version under {settings.home}: no model has been registered there "
            "yet. `recloop demo` or `recloop retrain` trains, registers and promotes one; another --home may hold it."
        )
    return address


def say_moved(result: PromotionResult, wanted: str | None = None) -> None:
    """Print what serves now. Raises NotMoved if `wanted` (or anything) should have moved and did not."""
    if not result.moved and result.champion != wanted:
        raise NotMoved(result.reason)
    console.print(result.reason)
    if result.tokenizer and result.id_table:
        console.print(f"tokenizer {result.tokenizer[:12]}, ID table {result.id_table[:12]}")


def actor() -> str:
    """Who acts from this terminal, for the ledger."""
    return load_settings().actor
