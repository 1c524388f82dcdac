"""Feast comes in without its run-time type checks, and typeguard is left as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
PROGRAM = """
import typeguard

before = typeguard.typechecked
from components.features.store import erasure, live, online, opening, retrieval
from feast import Field

assert typeguard.typechecked is before, "typeguard was not put back"
Field(name=1, dtype="no type of Feast")  # typeguard's check would raise TypeCheckError
"""


def test_feasts_classes_are_as_they_were_written():
    """In a process of its own: here, another test may have brought Feast in before."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
