"""`make faults`: strike, and say what held.

    make faults                             all but fuzz; docs/how-to/faults.md says how long each kind took
    make faults ONLY=kills,disk             some kinds
    python -m tests.faults --short          what `make test` runs

The page is a table of kinds; the last line is one of JSON. Exit code 1 if a fault that was armed did not fire, or
what should hold did not.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # children are forked: no pool of threads may stand before
# engines tell nobody what they do
os.environ |= {"GX_ANALYTICS_ENABLED": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}

from tests.faults.fault import LeftOut, strike_all
from tests.faults.page import as_json, page

KINDS = ("kills", "disk", "corruption", "inputs", "races", "security", "services", "upgrades")
ASKED_FOR = ("fuzz",)  # ten minutes of its own, and packages that the others do not need


def main() -> int:
    asked = _asked()
    if "disk" in asked.only:
        from tests.faults.refusing import remove_library, under_it

        under_it()  # begins this process anew, once
    tallies = []
    with tempfile.TemporaryDirectory(prefix="recloop-faults-") as folder:
        for kind in asked.only:
            module = importlib.import_module(f"tests.faults.{kind}")
            scratch = Path(folder).resolve() / kind
            faults = module.faults(scratch, short=asked.short, seed=asked.seed)
            try:
                tallies.append(strike_all(kind, faults, tell=lambda line: print(line, flush=True)))
            except LeftOut as left_out:
                print(f"{kind} is left out: {left_out}", flush=True)
                continue
            print(f"{kind}: {tallies[-1].fired} of {tallies[-1].armed}", file=sys.stderr, flush=True)
    if "disk" in asked.only:
        remove_library()
    print(page(tallies, with_points="kills" in asked.only))
    print(as_json(tallies))
    return 0 if tallies and all(tally.is_good for tally in tallies) else 1


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="the half that the tests run, in a minute")
    parser.add_argument(
        "--only", default=",".join(KINDS), help=f"kinds, joined by commas: {', '.join((*KINDS, *ASKED_FOR))}"
    )
    parser.add_argument("--seed", type=int, default=0, help="of bytes, strings and orders (default: 0)")
    asked = parser.parse_args()
    asked.only = [kind for kind in asked.only.split(",") if kind]
    if unknown := set(asked.only) - {*KINDS, *ASKED_FOR}:
        parser.error(f"no kind {', '.join(sorted(unknown))}; there are {', '.join((*KINDS, *ASKED_FOR))}")
    if "fuzz" in asked.only:
        from tests.faults.fuzz import missing

        if said := missing():
            parser.exit(2, f"{said}\n")
    return asked


if __name__ == "__main__":
    sys.exit(main())
