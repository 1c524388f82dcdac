"""One reader under atheris, in a process of its own: `python -m tests.faults.fuzz_one csv --seconds 9 --scratch DIR`.

What is raised that should not be, what takes over 5 CPU seconds and what takes over 1 GB is kept, once for each place
in the code, and fuzzing goes on. Found is told in DIR/found.json: cases tried, and of each finding its bytes.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import atheris

_SLOW_SECONDS, _GREEDY_KB = 5.0, 2**20
_LONGEST = 16_384
_OURS = ("components", "flows", "yaml", "dotenv", "csv", "json")


def main() -> None:
    asked = _asked()
    with atheris.instrument_imports(include=list(_OURS)):
        from tests.faults.fuzz_targets import seeds_of, stray, targets

        (target,) = (target for target in targets() if target.name == asked.target)
        scratch: Path = asked.scratch
        corpus = scratch / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        seeds = list(seeds_of(target, asked.cases))
        for number, seed in enumerate(seeds):
            (corpus / f"seed-{number}").write_bytes(seed[:_LONGEST])
            stray(target, seed, scratch / "home")  # imports what is imported late, while it is instrumented
    found = _Found(scratch / "found.json")

    def one(case: bytes) -> None:
        found.tried += 1
        before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.thread_time()
        error = stray(target, case, scratch / "home")
        if error is not None:
            found.add(_where(error), case)
        if (took := time.thread_time() - begun) > _SLOW_SECONDS:
            found.add(f"took {took:.0f} CPU seconds", case, place="slow")
        if (grown := resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) > _GREEDY_KB:
            found.add(f"took {grown // 1024:,} MB", case, place="greedy")
        if found.tried % 50 == 0:
            found.write()

    atheris.Setup(
        [sys.argv[0], str(corpus), f"-max_total_time={asked.seconds}", f"-max_len={_LONGEST}", "-timeout=120",
         "-rss_limit_mb=4096", f"-seed={asked.seed + 1}", f"-artifact_prefix={scratch}/ended-", "-verbosity=0"],
        one, **({"custom_mutator": target.mutate} if target.mutate else {}),
    )  # fmt: skip
    found.write()
    try:
        atheris.Fuzz()
    finally:
        found.write()


class _Found:
    def __init__(self, path: Path) -> None:
        self._path, self._cases, self.tried = path, dict[str, dict[str, Any]](), 0

    def add(self, what: str, case: bytes, *, place: str = "") -> None:
        known = self._cases.get(place or what)
        if known is None or len(case) < len(base64.b64decode(known["case"])):
            self._cases[place or what] = {"what": what, "case": base64.b64encode(case).decode()}
            self.write()

    def write(self) -> None:
        aside = self._path.with_suffix(".part")
        aside.write_text(json.dumps({"tried": self.tried, "found": list(self._cases.values())}))
        os.replace(aside, self._path)


def _where(error: BaseException) -> str:
    """Class and the deepest place in our own code, which tell one fault from another."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "/components/" in frame.filename
            or "/flows/" in frame.filename]  # fmt: skip
    place = (
        f"{Path(ours[-1].filename).name}:{ours[-1].lineno} in {ours[-1].name}" if ours else "no code of ours"
    )
    return f"{type(error).__name__} at {place}: {str(error)[:150]!r}" if not ours else (
        f"{type(error).__name__} at {place}"
    )  # fmt: skip


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--cases", type=Path, default=Path("nowhere"))
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
