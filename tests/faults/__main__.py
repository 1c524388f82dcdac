"""`make faults`: strike, and say what held.

    make faults                             all but fuzz
    make faults ONLY=kills,disk             some kinds
    python -m tests.faults --short          what `make test` runs

At length the parts of the kinds run beside one another, in processes of their own. The page is a table of kinds; the
last line is one of JSON. Exit code 1 if a fault that was armed did not fire, or what should hold did not.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # children are forked: no pool of threads may stand before
# engines tell nobody what they do
os.environ |= {"GX_ANALYTICS_ENABLED": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}

from tests.faults.fault import LeftOut, Tally
from tests.faults.page import as_json, page
from tests.faults.parts import keep_tally, parts_of, strike_here, strike_side_by_side

KINDS = ("kills", "disk", "corruption", "inputs", "races", "security", "services", "upgrades")
ASKED_FOR = ("fuzz",)  # ten minutes of its own, and packages that the others do not need


def main() -> int:
    asked = _asked()
    begun = time.monotonic()
    if asked.short or asked.part:
        tallies = _struck_here(asked)
    else:
        tallies = strike_side_by_side(asked.only, seed=asked.seed, tell=_tell)
    is_good = bool(tallies) and all(tally.is_good for tally in tallies)
    if asked.tally:
        keep_tally(tallies[0] if tallies else None, asked.tally)
        return 0 if is_good else 1
    print(page(tallies, with_points="kills" in asked.only, seconds=time.monotonic() - begun))
    print(as_json(tallies))
    return 0 if is_good else 1


def _struck_here(asked: argparse.Namespace) -> list[Tally]:
    """One kind after the other, in this process; of a kind its one part, if one was named."""
    if "disk" in asked.only:
        from tests.faults.refusing import remove_library, under_it

        under_it()  # begins this process anew, once
    tallies = []
    with tempfile.TemporaryDirectory(prefix="recloop-faults-") as folder:
        for kind in asked.only:
            scratch = Path(folder).resolve() / kind
            try:
                tally = strike_here(
                    kind, scratch, short=asked.short, seed=asked.seed, tell=_tell, only=asked.part
                )
            except LeftOut as left_out:
                _tell(f"{kind} is left out: {left_out}")
                continue
            part = f" / {asked.part}" if asked.part and asked.part != kind else ""
            print(f"{kind}{part}: {tally.fired} of {tally.armed}", file=sys.stderr, flush=True)
            tallies.append(tally)
    if "disk" in asked.only:
        remove_library()
    return tallies


def _tell(line: str) -> None:
    print(line, flush=True)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="the half that the tests run, in a minute")
    parser.add_argument(
        "--only", default=",".join(KINDS), help=f"kinds, joined by commas: {', '.join((*KINDS, *ASKED_FOR))}"
    )
    parser.add_argument("--part", help="of one kind this part alone, in this process")
    parser.add_argument("--tally", type=Path, help="where to leave the part's tally, in place of the page")
    parser.add_argument("--seed", type=int, default=0, help="of bytes, strings and orders (default: 0)")
    asked = parser.parse_args()
    asked.only = [kind for kind in asked.only.split(",") if kind]
    if unknown := set(asked.only) - {*KINDS, *ASKED_FOR}:
        parser.error(f"no kind {', '.join(sorted(unknown))}; there are {', '.join((*KINDS, *ASKED_FOR))}")
    if "fuzz" in asked.only:
        from tests.faults.fuzz import missing

        if said := missing():
            parser.exit(2, f"{said}\n")
    if asked.part and len(asked.only) != 1:
        parser.error("--part is a part of one kind: name it by --only")
    if asked.part and asked.part not in (known := parts_of(asked.only[0])):
        parser.error(f"{asked.only[0]} has no part {asked.part}; there are {', '.join(known)}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
