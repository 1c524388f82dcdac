"""A step in a process of its own, so that its time and memory are nobody else's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.surroundings import CHECKOUT, single_thread


def figures_of(command: list[str], *, called: str) -> dict[str, Any]:
    """The JSON object in the last line that it prints. Raises RuntimeError with the end of what a failed one said."""
    done = subprocess.run(
        command, cwd=CHECKOUT, env=single_thread(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{called} failed: {done.stderr[-3000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def prepare_in(home: Path, imports: str, call: str, *sizes: int) -> None:
    """Evaluate `call` with `home` and `sizes`, after `imports`."""
    code = f"import sys; from pathlib import Path; {imports}; home, *sizes = sys.argv[1:]; "
    code += f"home, sizes = Path(home), [int(size) for size in sizes]; {call}"
    command = [sys.executable, "-c", code, str(home), *map(str, sizes)]
    subprocess.run(command, cwd=CHECKOUT, env=single_thread(), check=True)
