"""`make bench`: speed and quality, one JSON line a part, the last line of the part's output.

    make bench                              the quick parts: what the hot paths cost
    make bench ONLY=decoding                one part, or several: ONLY=peers,accuracy,table
    make bench DATA=my/folder               accuracy on your data, beside the peers where there are any, and the table
    python -m tests.benchmarks accuracy --data beauty --arms sasrec,mmgrec --seeds 1,2,3

Figures stand under RESULTS (.bench); of accuracy and peers, what stands there is not measured again. Times
are CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.surroundings import CHECKOUT, results_folder, single_thread
from tests.benchmarks.verdict_table import PARTS as VERDICT

Figures = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The command line; what is empty is left to the part."""

    data: tuple[str, ...]
    arms: tuple[str, ...]
    peers: tuple[str, ...]
    seeds: tuple[int, ...]
    docs: Path | None


# --- parts: a line of figures each, for one data set where the part reads data -------------------------


def _ranking(asked: Asked) -> list[Figures]:
    from tests.benchmarks.hot_paths import ranking

    return [{"data": "made-up", **ranking()}]


def _bootstrap(asked: Asked) -> list[Figures]:
    from tests.benchmarks.hot_paths import bootstrap

    return [{"data": "made-up", **bootstrap()}]


def _decoding(asked: Asked) -> list[Figures]:
    from tests.benchmarks.hot_paths import decoding

    return [{"data": "made-up", **decoding()}]


def _top_ten(asked: Asked) -> list[Figures]:
    from tests.benchmarks.top_ten import top_ten

    return _each(asked.data or ("beauty",), lambda data: top_ten(data, asked.seeds[0]))


def _cold_items(asked: Asked) -> list[Figures]:
    from tests.benchmarks.cold_items import cold_items

    return _each(asked.data or ("films", "beauty"), lambda data: cold_items(data, asked.seeds[0]))


def _search(asked: Asked) -> list[Figures]:
    from tests.benchmarks.search import search

    return [{"data": "films", **search(asked.seeds[0])}]


def _warm(asked: Asked) -> list[Figures]:
    from tests.benchmarks.warm import ARMS, warm

    arms: Any = asked.arms or ARMS
    return _each(asked.data or ("ml100k",), lambda data: warm(data, arms, asked.seeds[0]))


def _throughput(asked: Asked) -> list[Figures]:
    from tests.benchmarks.accuracy import named
    from tests.benchmarks.throughput import throughput

    return [{"data": named(data), **throughput(data)} for data in asked.data or ("beauty",)]


def _accuracy(asked: Asked) -> list[Figures]:
    from tests.benchmarks.accuracy import named, run_arms
    from tests.benchmarks.arms import ARMS

    data = asked.data or LEAVE_ONE_OUT
    return [
        {
            "data": ",".join(map(named, data)),
            **run_arms(data, asked.arms or tuple(ARMS), asked.seeds, results_folder()),
        }
    ]


def _peers(asked: Asked) -> list[Figures]:
    from tests.benchmarks.accuracy import named
    from tests.benchmarks.peers import run_peers

    data = asked.data or LEAVE_ONE_OUT
    return [
        {
            "data": ",".join(map(named, data)),
            **run_peers(data, asked.peers or None, asked.seeds, results_folder()),
        }
    ]


def _level(asked: Asked) -> list[Figures]:
    from tests.benchmarks.verdict import level

    return [{"data": "movielens", **level(results_folder() / "sources")}]


def _intervals(asked: Asked) -> list[Figures]:
    from tests.benchmarks.verdict import intervals

    return [{"data": "movielens", **intervals(results_folder() / "sources")}]


def _power(asked: Asked) -> list[Figures]:
    from tests.benchmarks.verdict import power

    return [{"data": "movielens", **power(results_folder() / "sources")}]


def _sequential(asked: Asked) -> list[Figures]:
    from tests.benchmarks.looks import looks

    return [{"data": "streams", **looks()}]


def _replay(asked: Asked) -> list[Figures]:
    from tests.benchmarks.hot_paths import replay

    return [{"data": "movielens", **replay(results_folder() / "sources")}]


def _ranking_peers(asked: Asked) -> list[Figures]:
    from tests.benchmarks.ranking_peers import ranking_peers

    return [{"data": "made-up", **ranking_peers()}]


def _serving(asked: Asked) -> list[Figures]:
    from tests.benchmarks.serving import serving

    return [{"data": "made-up", **serving()}]


def _batch_scoring(asked: Asked) -> list[Figures]:
    from tests.benchmarks.batch_scoring import batch_scoring

    return [{"data": "made-up", **batch_scoring()}]


def _growth(asked: Asked) -> list[Figures]:
    from tests.benchmarks.growth import growth

    return [{"data": "made-up", **growth(asked.docs or results_folder())}]


def _incremental(asked: Asked) -> list[Figures]:
    from tests.benchmarks.growth import incremental

    return [{"data": "made-up", **incremental()}]


def _catalogue(asked: Asked) -> list[Figures]:
    from tests.benchmarks.catalogue import catalogue

    return [{"data": "made-up", **catalogue(asked.docs or results_folder())}]


def _terminal(asked: Asked) -> list[Figures]:
    from tests.benchmarks.terminal import terminal

    return [{"data": "synthetic-small", **terminal()}]


def _table(asked: Asked) -> list[Figures]:
    from tests.benchmarks.table import write_table

    return [{"data": "all", **write_table(results_folder(), asked.docs or results_folder())}]


def _verdict(asked: Asked) -> list[Figures]:
    from tests.benchmarks.table import write_verdict

    return [{"data": "all", **write_verdict(results_folder(), asked.docs or CHECKOUT / "docs")}]


def _each(names: Sequence[str], measure: Callable[[Any], Figures]) -> list[Figures]:
    from tests.benchmarks.datasets import open_dataset

    found = []
    for name in names:
        data = open_dataset(name, results_folder() / "sources")
        found.append({"data": data.name, **measure(data)})
    return found


LEAVE_ONE_OUT = ("ml100k", "beauty")
PARTS: dict[str, Callable[[Asked], list[Figures]]] = {
    "ranking": _ranking,
    "bootstrap": _bootstrap,
    "replay": _replay,
    "ranking_peers": _ranking_peers,
    "serving": _serving,
    "batch_scoring": _batch_scoring,
    "growth": _growth,
    "incremental": _incremental,
    "catalogue": _catalogue,
    "terminal": _terminal,
    "level": _level,
    "intervals": _intervals,
    "power": _power,
    "sequential": _sequential,
    "decoding": _decoding,
    "top_ten": _top_ten,
    "throughput": _throughput,
    "cold_items": _cold_items,
    "search": _search,
    "warm": _warm,
    "peers": _peers,
    "accuracy": _accuracy,
    "verdict": _verdict,
    "table": _table,
}
MODULES = ("tokenizer", "ablation", "tiger_decoding")  # parts with a command line of their own
QUICK = ("ranking", "bootstrap", "replay", "decoding", "serving", "top_ten")
OWN_DATA = ("peers", "accuracy", "table")  # what `make bench DATA=…` runs
KEPT = (*VERDICT, "top_ten", "throughput", "cold_items")  # parts whose figures the table reads


def run_part(name: str, asked: Asked) -> None:
    """Measure in this process, keep what the table reads, and print the line."""
    from components.data.sources import SourceUnavailable
    from tests.benchmarks.results import write_part

    try:
        found = PARTS[name](asked)
    except SourceUnavailable as error:
        print(json.dumps({"part": name, "skipped": str(error)}), flush=True)
        return
    if name in KEPT:
        for figures in found:
            told = {key: value for key, value in figures.items() if key != "data"}
            write_part(results_folder(), name, figures["data"], told)
    for figures in found:
        print(json.dumps({"part": name, **_rounded(figures)}), flush=True)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return round(value, 4) if isinstance(value, float) else value


def run_apart(name: str, options: Sequence[str], data: Sequence[str]) -> int:
    """A part in a process of its own, so that its peak memory is its own."""
    if name in MODULES:
        return _run_module(name, data)
    return _python(["-m", "tests.benchmarks", name, *options], single_thread())


def _run_module(name: str, data: Sequence[str]) -> int:
    """A part with a command line of its own; what it says goes on as it comes, its last line is kept."""
    from tests.benchmarks.results import write_part

    arguments = list(data[:1]) if name != "tiger_decoding" else []
    if name == "ablation":
        arguments += ["--results", str(results_folder() / name)]
    last = "{}"
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", *arguments]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line
    if process.returncode == 0 and "skipped" not in (told := json.loads(last)):
        told.pop("part")
        write_part(results_folder(), name, told.pop("data", "made-up"), told)
    return process.returncode


def _python(arguments: Sequence[str], environment: Any) -> int:
    return subprocess.run(
        [sys.executable, *arguments], cwd=CHECKOUT, env=dict(environment), check=False
    ).returncode


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="?", default="", help=", ".join((*PARTS, *MODULES)))
    parser.add_argument("--only", default="", help="the same, for several: parts joined by commas")
    parser.add_argument("--data", default="", help="ml100k, beauty, films, synthetic, a folder or a file")
    parser.add_argument("--arms", default="", help="of accuracy and warm")
    parser.add_argument("--peers", default="", help="of peers")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--docs", default="", help="folder that the table is written to; else RESULTS")
    read = parser.parse_args()
    asked = Asked(
        data=_names(read.data),
        arms=_names(read.arms),
        peers=_names(read.peers),
        seeds=tuple(int(seed) for seed in _names(read.seeds)),
        docs=Path(read.docs) if read.docs else None,
    )
    parts = _names(read.part or read.only) or (OWN_DATA if asked.data else QUICK)
    if strangers := [name for name in parts if name not in PARTS and name not in MODULES]:
        parser.error(f"{strangers[0]!r} is no part; there are {', '.join((*PARTS, *MODULES))}")
    if fault := fault_of(asked.data):
        parser.error(fault)
    if len(parts) == 1 and parts[0] in PARTS:
        run_part(parts[0], asked)
        return 0
    given = {**vars(read), "data": ",".join(asked.data)}
    options = [
        f"--{name}={given[name]}" for name in ("data", "arms", "peers", "seeds", "docs") if given[name]
    ]
    return max(run_apart(name, options, asked.data) for name in parts)


def fault_of(data: Sequence[str]) -> str:
    """What is wrong with the user's own data, told once before anything runs; empty where nothing is."""
    from components.data.batch import DataContractError
    from components.data.sources import SourceUnavailable
    from tests.benchmarks.datasets import NAMES, open_dataset
    from tests.benchmarks.leave_one_out import TooShort

    for name in data:
        if name in NAMES:
            continue
        try:
            open_dataset(name, results_folder() / "sources")
        except (SourceUnavailable, DataContractError, TooShort) as error:
            return str(error)
    return ""


def _names(joined: str) -> tuple[str, ...]:
    """Parts between commas; a path that holds one stays whole."""
    if Path(joined).exists() and joined:
        return (str(Path(joined).resolve()),)
    return tuple(name.strip() for name in joined.split(",") if name.strip())


if __name__ == "__main__":
    sys.exit(main())
