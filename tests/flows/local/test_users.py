"""A use counts for as long as its process lives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from flows.local.process import write_record
from flows.local.users import in_use, sign_in, sign_out


def test_a_dead_user_counts_for_nothing(tmp_path: Path) -> None:
    users = tmp_path / "users"
    assert not in_use(users)
    mine = sign_in(users)
    assert in_use(users)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        write_record(users / "other.json", other.pid)
        sign_out(mine)
        assert in_use(users)
        other.kill()
    assert not in_use(users)
    assert not list(users.iterdir())
