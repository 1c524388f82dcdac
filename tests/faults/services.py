"""Services that fail while the loop uses them: down, slow, an error for an answer, reset in it, its reply lost.

A proxy of our own stands before each real one, and cuts the road at a named point of a call of ours. The call is told
in one message within 15 seconds, or goes on; the same call again leaves what an undisturbed one leaves: one run, one
version, one entry of the ledger.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from tests.faults import cut_off
from tests.faults.cut_mlflow import mlflow
from tests.faults.cut_objects import ObjectStoreMissing, objects
from tests.faults.cut_off import Service
from tests.faults.cut_postgresql import postgresql
from tests.faults.cut_prefect import prefect
from tests.faults.fault import Fault, LeftOut
from tests.postgresql import PostgresqlMissing, binaries

_LANES = 4
_SERVICES: dict[str, Callable[..., AbstractContextManager[Service]]] = {
    "PostgreSQL": postgresql,
    "object store": objects,
    "MLflow": mlflow,
    "Prefect": prefect,
}
_SHORT = ("PostgreSQL", "object store")  # those that start in a second


def is_possible() -> bool:
    """Whether any service of the short half is installed here."""
    return find_spec("moto") is not None or (find_spec("psycopg") is not None and binaries() is not None)


def _cut_off(name: str, scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    del seed
    if short and name not in _SHORT:
        return
    print(f"services: starting {name}", file=sys.stderr)
    try:
        with _SERVICES[name](scratch, short=short) as service:
            yield from cut_off.faults(service, lanes=1 if short else _LANES)
    except (PostgresqlMissing, ObjectStoreMissing) as missing:
        raise LeftOut(f"{name}: {missing}") from missing


PARTS = {name: partial(_cut_off, name) for name in _SERVICES}
