"""Feast comes in without its run-time type checks and its servers, and typeguard is left as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from feast.infra.online_stores.sqlite import SqliteOnlineStore

CHECKOUT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys

import torch  # which Feast brings too, and whose import looks at every module that is there
import typeguard

before = typeguard.typechecked
from components.features.store import erasure, live, online, opening, retrieval
from feast import Field

assert typeguard.typechecked is before, "typeguard was not put back"
Field(name=1, dtype="no type of Feast")  # typeguard's check would raise TypeCheckError

assert not {"uvicorn", "gunicorn"} & sys.modules.keys(), "servers came with Feast"
from feast import feature_store

assert callable(feature_store.feature_server.start_server), "its server is there once it is asked for"
assert "gunicorn" in sys.modules
"""


def test_feasts_classes_are_as_they_were_written():
    """In a process of its own: here, another test may have brought Feast in before."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_sqlite_store_reads_by_version_as_feast_itself_finds():
    """`open_store` says so before Feast looks, since the look brings every other store in."""
    assert SqliteOnlineStore()._is_versioned_read_supported() is True
