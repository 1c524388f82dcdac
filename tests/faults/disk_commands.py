"""Commands on a disk that refuses: one message, no traceback, exit code 1, and the same command again succeeds."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.faults import killed_worlds
from tests.faults.fault import Fault, Outcome
from tests.faults.home import Stage
from tests.faults.refusing import Refusal

_CHECKOUT = Path(__file__).resolve().parents[2]
_MAIN = "from flows.cli.app import main; main()"
_EXPORT = ("quarantine", "export", "{home}/out/rows.csv")
_DROP = ("quarantine", "drop", "--id", "1", "--reason", "a robot")
_STRIKES = (
    (_EXPORT, Refusal(call="write", at=3, error=errno.ENOSPC, stays=True)),
    (_DROP, Refusal(call="write", at=2, error=errno.ENOSPC, stays=True)),
    (_DROP, Refusal(call="write", at=1, error=errno.EIO, stays=False)),
    (_DROP, Refusal(call="open", at=2, error=errno.EROFS, stays=True)),
    (_EXPORT, Refusal(call="open", at=1, error=errno.EROFS, stays=True)),
    (_EXPORT, Refusal(call="rename", at=1, error=errno.EIO, stays=False)),
)


def faults(folder: Path, *, short: bool) -> Iterator[Fault]:
    stage = Stage(folder=folder, prepare=killed_worlds.refused_rows)
    for command, refusal in _STRIKES[: 1 if short else None]:
        yield Fault(
            kind="disk", name=str(refusal), where=f"recloop {' '.join(command[:2])}",
            holds="one message, no traceback, and the same command again succeeds",
            strike=partial(_strike, stage, command, refusal),
        )  # fmt: skip


def _strike(stage: Stage, command: tuple[str, ...], refusal: Refusal) -> Outcome:
    home, mark = stage.set(), stage.folder / "refused"
    mark.unlink(missing_ok=True)
    under = home / "out" if command is _EXPORT else home
    struck = _recloop(home, command, refusal.environment(under, mark))
    told, wrong = struck.stderr.strip(), []
    if struck.returncode != 1 or not told:
        wrong.append(f"exit code {struck.returncode}, and told: {told[-300:] or 'nothing'}")
    if "Traceback" in told:
        wrong.append(f"a traceback that ends in {told.splitlines()[-1][:200]}")
    if list((home / "out").iterdir()):
        wrong.append(f"left behind: {sorted(path.name for path in (home / 'out').iterdir())}")
    again = _recloop(home, command, {})
    if again.returncode:
        wrong.append(f"the same command again fails: {again.stderr.strip()[-300:]}")
    return Outcome(fired=mark.exists(), violations=tuple(wrong))


def _recloop(home: Path, command: tuple[str, ...], more: dict[str, str]) -> subprocess.CompletedProcess[str]:
    arguments = [word.format(home=home) for word in command]
    return subprocess.run(
        [sys.executable, "-c", _MAIN, "--home", str(home), *arguments],
        cwd=_CHECKOUT, env=os.environ | more, capture_output=True, text=True, check=False,
    )  # fmt: skip
