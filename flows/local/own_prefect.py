"""Prefect's server as uvicorn serves it: to its own names and pages only (see `components.own_pages`)."""

from __future__ import annotations

from prefect.server.api.server import create_app

from components.own_pages import OwnPagesOnly


def guarded() -> OwnPagesOnly:
    """What `prefect server start` would serve, behind the check."""
    # under uvicorn it says nothing of its start
    print("serving Prefect to its own names and pages", flush=True)
    return OwnPagesOnly(create_app(final=True))
