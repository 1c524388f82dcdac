"""Users a second against the size of the catalogue: generation beside scoring every item and beside an index.

    make bench ONLY=catalogue                          10,000 to 200,000 items
    CATALOGUE=10000,1000000 make bench ONLY=catalogue
    INDEX_PYTHON=/path/to/python …                     an interpreter that has faiss (else this one is asked for it)

Top ten of a user with ten items, seen ones left out, users a CPU second of one thread, one by one and by 64. The model
and its item vectors are the same for all (`catalogue_world`). All but exact scoring are as narrow as a recall of .95
allows: the index against dense scoring of every item, the beam against its own hybrid score of every item. To the
index belong the request and the mixer, as to the others. With `DOCS=docs` the curves are drawn into docs/catalogue.png.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.measured_process import figures_of, prepare_in

SIZES = (10_000, 30_000, 100_000, 200_000)
HNSW_UP_TO = 200_000  # items: beyond, an index of this kind takes many minutes to build
Figures = dict[str, Any]


def catalogue(folder: Path) -> Figures:
    """Figures of every way and size, where generation begins to win, and the picture into `folder`."""
    sizes = tuple(int(size) for size in os.environ.get("CATALOGUE", "").split(",") if size) or SIZES
    index, missing = index_python()
    found: dict[str, dict[int, Figures]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="recloop-catalogue-") as home:
            prepare_in(
                Path(home),
                "from tests.benchmarks.catalogue_world import prepare",
                "prepare(home, *sizes)",
                size,
            )
            for way, figures in _measured(Path(home), size, index).items():
                found.setdefault(way, {})[size] = figures
                print(json.dumps({"way": way, "items": size, **figures}), flush=True)
    if len(sizes) > 1:
        from tests.benchmarks.catalogue_picture import draw

        folder.mkdir(parents=True, exist_ok=True)
        draw(found, folder / "catalogue.png")
    return summary(found) | ({"index_missing": missing} if missing else {})


def index_python() -> tuple[str, str]:
    """An interpreter with faiss, or why there is none."""
    python = os.environ.get("INDEX_PYTHON", "")
    if not python:
        here = importlib.util.find_spec("faiss") is not None
        return (
            (sys.executable, "")
            if here
            else ("", "faiss is not installed: name an interpreter in INDEX_PYTHON")
        )
    asked = subprocess.run([python, "-c", "import faiss"], capture_output=True, check=False)
    return (python, "") if asked.returncode == 0 else ("", f"INDEX_PYTHON ({python}) has no faiss")


def _measured(home: Path, size: int, index: str) -> Mapping[str, Figures]:
    def run(way: str) -> Figures:
        command = [sys.executable, "-m", "tests.benchmarks.catalogue_process", way, str(home)]
        return figures_of(command, called=f"{way} at {size} items")

    found = {way: run(way) for way in ("generative", "dense")}
    if index:
        before = run("states")
        script = str(Path(__file__).with_name("catalogue_index.py"))
        for kind in ("hnsw", "ivf") if size <= HNSW_UP_TO else ("ivf",):
            told = figures_of([index, script, kind, str(home)], called=f"{kind} at {size} items")
            for name in ("alone", "batched"):
                told[name] = 1 / (1 / before[name] + told.pop(f"{name}_s"))
            found[kind] = told
    return found


def summary(found: Mapping[str, Mapping[int, Figures]]) -> Figures:
    """What the last line says: users a second, memory, recall, and the crossing points."""
    told: Figures = {"sizes": sorted(found["generative"]), "ways": {}}
    for way, by_size in found.items():
        names = sorted(set.intersection(*({*figures} for figures in by_size.values())) - {"recalls"})
        told["ways"][way] = {name: [by_size[size][name] for size in sorted(by_size)] for name in names}
    for name in ("alone", "batched"):
        for other in found:
            if other != "generative":
                told[f"crossing_{other}_{name}"] = crossing(found["generative"], found[other], name)
    return told


def crossing(ours: Mapping[int, Figures], theirs: Mapping[int, Figures], name: str) -> int | None:
    """The catalogue at which generation overtakes, on a straight line between measured sizes; None where it never does.

    0 where it is ahead at every size.
    """
    sizes = sorted(set(ours) & set(theirs))
    lead = [math.log(ours[size][name] / theirs[size][name]) for size in sizes]
    if lead[-1] <= 0:
        return None
    behind = [at for at, value in enumerate(lead) if value <= 0]
    if not behind:
        return 0
    low, high = behind[-1], behind[-1] + 1
    share = -lead[low] / (lead[high] - lead[low])
    return round(math.exp(math.log(sizes[low]) + share * math.log(sizes[high] / sizes[low])))
