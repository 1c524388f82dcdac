"""A home that may only be read is read: in a process that has not the rights of root, if root runs the tests."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.data.ingest import land_batch
from components.data.warehouse import open_warehouse
from tests.data.landing import batch, event, item

_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1  # <linux/prctl.h>, <linux/capability.h>
_LOOK = """
import sys
from components.data import queries
from components.data.ingest import land_batch
from components.data.read_only import is_read_only
from components.data.warehouse import open_warehouse
from tests.data.landing import batch, event
engine = open_warehouse(sys.argv[1])
assert is_read_only(engine)
print(queries.counts(engine).events)
try:
    land_batch(engine, batch(event("e2")))
except Exception as error:
    from flows.cli.disk_refusal import disk_refusal
    print(disk_refusal(error))
"""


def _without_roots_rights() -> None:
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "a home #1"
    folder.mkdir()
    engine = open_warehouse(f"sqlite:///{folder}/warehouse.db")
    land_batch(engine, batch(event("e1"), items=(item("i1"),)))
    engine.dispose()
    for path in (*folder.iterdir(), folder):
        path.chmod(path.stat().st_mode & ~0o222)
    yield folder / "warehouse.db"
    folder.chmod(0o755)


def look(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _LOOK, f"sqlite:///{path}"], capture_output=True, text=True, check=False,
        cwd=Path(__file__).resolve().parents[2], preexec_fn=_without_roots_rights,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="takes root's rights by prctl")
def test_it_is_read_and_a_write_is_told(warehouse: Path):
    done = look(warehouse)
    assert done.returncode == 0, done.stderr
    count, told = done.stdout.splitlines()
    assert count == "1"
    assert "Make it writable" in told
