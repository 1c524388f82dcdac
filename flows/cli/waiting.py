"""Waiting for Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable

from flows.local.console import console


def until_interrupted(ended: Callable[[], bool] = lambda: False) -> None:
    """Return at Ctrl-C, having said so, or when `ended` holds."""
    try:
        while not ended():
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("stopping")
