"""Coverage-guided bytes into every reader of foreign files (atheris), and made-up requests to the scoring server.

Ten minutes, FUZZ_SECONDS others; each reader has its share. Needs what infra/lock/fuzz.lock holds. Where a folder of
cases lies beside the checkout (`../shared/cases`), its small files are seeds too.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from tests.faults.fault import Fault, Outcome
from tests.faults.fuzz_targets import targets

KIND = "fuzz"
SECONDS = 600
_NEEDED = ("atheris", "schemathesis")
_LEAST = 50  # cases that a reader is tried on, else it has not been tried
_CHECKOUT = Path(__file__).resolve().parents[2]
_CASES = _CHECKOUT.parent / "shared" / "cases"


def faults(scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    seconds = 40 if short else int(os.environ.get("FUZZ_SECONDS", SECONDS))
    readers = targets()
    for target in readers:
        yield Fault(
            kind=KIND, name=f"{seconds // len(readers)} s of bytes", where=f"reader of {target.name}",
            holds="rows, or one of its own errors, within 5 CPU seconds and 1 GB",
            strike=partial(_strike, scratch / target.name, target.name, seconds // len(readers), seed),
        )  # fmt: skip
    from tests.faults import fuzz_requests

    yield from fuzz_requests.faults(scratch / "requests", short=short, seed=seed)


def missing() -> str:
    """What to install and how, if it is not there."""
    lacking = [name for name in _NEEDED if find_spec(name) is None]
    locks = "runtime postgres s3 login ray dev docs fuzz"
    return f'fuzz needs {" and ".join(lacking)}: make -B install LOCKS="{locks}"' if lacking else ""


def _strike(scratch: Path, name: str, seconds: int, seed: int) -> Outcome:
    scratch.mkdir(parents=True)
    asked = [
        sys.executable,
        "-m",
        "tests.faults.fuzz_one",
        name,
        "--seconds",
        str(seconds),
        "--seed",
        str(seed),
    ]
    done = subprocess.run(
        [*asked, "--scratch", str(scratch), "--cases", str(_CASES)],
        cwd=_CHECKOUT, capture_output=True, text=True, errors="replace", timeout=seconds * 4 + 600, check=False,
    )  # fmt: skip
    told = scratch / "found.json"
    if not told.exists():
        return Outcome(fired=False, violations=(f"the fuzzer did not start: {done.stderr[-600:]}",))
    found = json.loads(told.read_text())
    print(f"reader of {name}: {found['tried']:,} cases", file=sys.stderr, flush=True)
    wrong = [f"{one['what']}, by {base64.b64decode(one['case'])[:300]!r}" for one in found["found"]]
    wrong += [f"the process ended, by {path.read_bytes()[:300]!r}" for path in scratch.glob("ended-*")]
    if done.returncode and not wrong:
        wrong = [f"the fuzzer ended with {done.returncode}: {done.stderr[-600:]}"]
    return Outcome(fired=found["tried"] >= _LEAST, violations=tuple(wrong))
