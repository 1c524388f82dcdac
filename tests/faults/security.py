"""What an outsider, a source's author, or a page of another site tries; that the way is open is shown beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.faults import (
    security_bombs,
    security_files,
    security_pickles,
    security_policy,
    security_requests,
    security_texts,
)
from tests.faults.fault import Fault
from tests.faults.probing import fresh

_WITHOUT_SERVERS = (
    security_requests, security_files, security_bombs, security_texts, security_pickles, security_policy,
)  # fmt: skip


def _without_servers(scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    del short, seed
    for module in _WITHOUT_SERVERS:
        for probe in module.probes(fresh(scratch / module.__name__.rpartition("_")[2])):
            yield probe.as_fault()


def _with_servers(scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    del seed
    if not short:
        from tests.faults import security_servers

        for probe in security_servers.probes(fresh(scratch)):
            yield probe.as_fault()


PARTS = {"without servers": _without_servers, "with servers": _with_servers}
