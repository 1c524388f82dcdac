"""Requests that make something new, asked once: MLflow's client sends any request again whose reply it did not get.

A POST that was done, and whose reply was lost, is done twice so: two runs of one cycle, two versions of one bundle (by
the source of 3.17.2, where urllib3 retries every method). Whoever makes something looks for it first; asked once, a
lost reply is an outage that is told, and who asks again finds what was made.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


@contextmanager
def asked_once() -> Iterator[None]:
    """No request of MLflow's client in the block is sent again. It reads this from the environment alone."""
    before = os.environ.get(_RETRIES)
    os.environ[_RETRIES] = "0"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_RETRIES, None)
        else:
            os.environ[_RETRIES] = before
