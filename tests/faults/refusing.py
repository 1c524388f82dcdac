"""Calls of the operating system that are refused in a child: see refusing.c.

The library has to be loaded before libc, so the run begins itself anew under LD_PRELOAD. It needs Linux and a C
compiler.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

CALLS = ("write", "fsync", "rename", "open")  # in the order of refusing.c
_SOURCE = Path(__file__).with_name("refusing.c")
_LIBRARY = "RECLOOP_FAULTS_LIBRARY"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The `at`-th call of a kind under a folder fails; from then on too if `stays`, as on a full disk."""

    call: str
    at: int
    error: int  # errno
    stays: bool

    def __str__(self) -> str:
        on = " and all after" if self.stays else ""
        return f"{self.call} {self.at}{on}: {errno.errorcode[self.error]}"

    def arm(self, folder: Path) -> None:
        number = CALLS.index(self.call)
        _library().refuse(number, ctypes.c_long(self.at), self.error, int(self.stays), f"{folder}/".encode())

    def environment(self, folder: Path, mark: Path) -> dict[str, str]:
        """Arms a process that is begun anew; `mark` is there once a call was refused."""
        said = f"{CALLS.index(self.call)},{self.at},{self.error},{int(self.stays)},{folder}/"
        return {"REFUSING": said, "REFUSED": str(mark)}


def is_possible() -> bool:
    return sys.platform == "linux" and shutil.which("cc") is not None


def under_it(module: str = "tests.faults") -> None:
    """Return in a process that has the library; begins this one, which runs `module`, anew if it has not."""
    if os.environ.get(_LIBRARY):
        return
    if not is_possible():
        sys.exit(
            "faults: the kind disk needs Linux and a C compiler. Install gcc, or leave it out: ONLY=kills,…"
        )
    folder = tempfile.mkdtemp(prefix="recloop-refusing-")
    library = f"{folder}/refusing.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, str(_SOURCE), "-ldl"], check=True)
    command = [sys.executable, "-m", module, *sys.argv[1:]]
    os.execve(sys.executable, command, os.environ | {"LD_PRELOAD": library, _LIBRARY: library})


def remove_library() -> None:
    """Once the run is over."""
    if library := os.environ.get(_LIBRARY):
        shutil.rmtree(Path(library).parent, ignore_errors=True)


def counted_under(folder: Path) -> None:
    """Count calls under a folder, and refuse none."""
    _library().refuse(-1, ctypes.c_long(0), 0, 0, f"{folder}/".encode())


def seen() -> dict[str, int]:
    return {call: _library().refuse_seen(number) for number, call in enumerate(CALLS)}


def fired() -> int:
    return int(_library().refuse_fired())


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(os.environ[_LIBRARY])
