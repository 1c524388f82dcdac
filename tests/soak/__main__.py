"""`make soak N=300`: retraining cycles on one home with a fast clock, a seeded fault in each.

    make soak N=300
    python -m tests.soak --cycles 100 --seed 7 --out .bench/soak

Each cycle takes in the next day of a source that grows. First a process of its own is struck by a fault; then one
that lives through the whole soak runs the same cycle undisturbed, prunes what is older than some cycles, and the
invariants are looked at. The last line is one of JSON. Exit code 1 if something did not hold, a fault that was armed
did not fire, or memory, descriptors, threads or what waits to be pruned grow by 5 % or more in 100 cycles.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

_AWAY = {"GX_ANALYTICS_ENABLED": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
os.environ |= _AWAY  # engines tell nobody what they do


def main() -> int:
    asked = _asked()
    if not asked.without_refusals:
        from tests.faults.refusing import is_possible, remove_library, under_it

        if is_possible():
            under_it("tests.soak")  # begins this process anew, once
    with tempfile.TemporaryDirectory(prefix="recloop-soak-") as folder:
        home = (asked.home or Path(folder) / "home").resolve()
        told = _run(asked, home)
    if not asked.without_refusals:
        remove_library()
    print(json.dumps(told))
    return 0 if told["is good"] else 1


def _run(asked: argparse.Namespace, home: Path) -> dict[str, object]:
    from tests.soak.strikes import environment

    home.mkdir(parents=True)
    os.environ |= environment(home)
    from flows.engine_environment import apply_environment
    from flows.settings import load_settings

    apply_environment(load_settings())
    from tests.soak.soaking import Soak

    begun, cpu = time.monotonic(), sum(os.times()[:4])
    soak = Soak(
        home=home, seed=asked.seed, with_contracts=not asked.without_contracts, broken_at=asked.break_at,
        tell=lambda line: print(line, flush=True),
    )  # fmt: skip
    while len(soak.measured) < asked.cycles and time.monotonic() - begun < 60 * asked.minutes:
        soak.turn()
    soak.end()
    told = soak.told(asked.out)
    spent = sum(os.times()[:4]) - cpu
    return told | {
        "seconds": round(time.monotonic() - begun),
        "CPU s a cycle": round(spent / len(soak.measured), 2),
    }


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.split("\n")[0])
    parser.add_argument("--cycles", type=int, default=300)
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="no further cycle begins after them"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the data, and of the order of the faults")
    parser.add_argument(
        "--home", type=Path, help="where the home is made, and left; default: a folder that goes"
    )
    parser.add_argument("--out", type=Path, help="folder for the curves and the figures of each cycle")
    parser.add_argument(
        "--without-contracts", action="store_true", help="no spoiled batch: no Great Expectations"
    )
    parser.add_argument("--without-refusals", action="store_true", help="no refusing disk: no C compiler")
    parser.add_argument(
        "--break-at", type=int, default=-1, help="damage the home after this cycle, to see that it is told"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
