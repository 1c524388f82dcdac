"""The peers on the same data, in their own environments, one process a peer, data set and seed.

Their code lies in `shared/peers` and is not part of the project; the environments are made as its README
says. Where they are missing nothing is run, and the line says so.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.datasets import open_dataset
from tests.benchmarks.leave_one_out import LeaveOneOut
from tests.benchmarks.results import is_done, run_path, with_ending
from tests.benchmarks.surroundings import peers_home, shared_folder, single_thread

FITTED = ("pop", "itemknn", "ease", "implicit_bm25", "implicit_als")  # the same for every seed
TRAINED: Mapping[str, tuple[str, ...]] = {  # by data set; others take those of beauty
    "ml100k": ("ref_sasrec", "rectools_sasrec", "recbole_sasrec"),
    "beauty": ("ref_sasrec_b64", "rectools_sasrec", "recbole_sasrec"),
}
BUDGET_CPU_SECONDS: Mapping[tuple[str, str], float] = {  # of training; 0: the peer's own
    ("recbole_sasrec", "ml100k"): 150,
    ("rectools_sasrec", "ml100k"): 100,
    ("recbole_sasrec", "beauty"): 250,
    ("rectools_sasrec", "beauty"): 250,
}
_PROCESS = Path(__file__).with_name("peer_process.py")


def default_peers(data: str) -> tuple[str, ...]:
    return (*FITTED, *TRAINED.get(data, TRAINED["beauty"]))


def run_peers(
    data: Sequence[str], peers: Sequence[str] | None, seeds: Sequence[int], results: Path
) -> dict[str, float | str]:
    """Runs that were made, found done, and failed; `skipped` says why none was made."""
    counts: dict[str, float | str] = {"made": 0, "found": 0, "failed": 0}
    if missing := what_is_missing():
        print(missing, flush=True)
        return counts | {"skipped": missing}
    for one in data:
        events = open_dataset(one, results / "sources").events
        export(events, peers_home() / "data")
        for peer in peers or default_peers(events.name):
            for seed in seeds[:1] if peer in FITTED else seeds:
                what = "found"
                if not is_done(results, events.name, peer, seed):
                    what = "made" if _run(events, peer, seed, results) == 0 else "failed"
                    print(f"{peer} on {events.name}, seed {seed}: {what}", flush=True)
                counts[what] = int(counts[what]) + 1
    return counts


def what_is_missing() -> str:
    """Why the peers cannot run, or nothing."""
    home, code = peers_home(), shared_folder() / "peers" / "run_peers.py"
    if not code.is_file():
        return (
            f"peers skipped: {code} is not there; set SHARED_HOME to the folder that holds peers/ and data/"
        )
    for python in (interpreter("pop"), interpreter("recbole_sasrec")):
        if not python.is_file():
            return (
                f"peers skipped: no {python.relative_to(home)} in PEERS_HOME ({home}); make the environments "
                "as the README of shared/peers says"
            )
    return ""


def interpreter(peer: str) -> Path:
    """RecBole has an environment of its own, B; the others share A."""
    environment = "vB" if peer.startswith("recbole") else "vA"
    return peers_home() / environment / "bin" / "python"


def export(events: LeaveOneOut, folder: Path) -> None:
    """The peers' form of a data set that their own preparation did not make: items are numbers from 1."""
    sequences = folder / f"{events.name}.txt"
    if sequences.is_file():
        return
    lines, rows = [], ["user_id:token\titem_id:token\ttimestamp:float"]
    for user in range(events.num_users):
        own = events.items[events.offsets[user] : events.offsets[user + 1]] + 1
        lines.append(" ".join(map(str, [user + 1, *own.tolist()])))
        rows += [f"{user + 1}\t{item}\t{place}" for place, item in enumerate(own.tolist())]
    atomic = folder / "recbole" / events.name
    atomic.mkdir(parents=True, exist_ok=True)
    (atomic / f"{events.name}.inter").write_text("\n".join(rows) + "\n")
    sequences.write_text("\n".join(lines) + "\n")


def _run(events: LeaveOneOut, peer: str, seed: int, results: Path) -> int:
    data = events.name
    path = run_path(results, data, peer, seed)
    log = results / "log" / f"{peer}__{data}__{seed}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    budget = BUDGET_CPU_SECONDS.get((peer, data), 0)
    command = [interpreter(peer), _PROCESS, shared_folder() / "peers", peer, data, seed, budget, path]
    with log.open("w") as told:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=peers_home(),  # some leave logs where they run
            env=single_thread() | {"PEERS_HOME": str(peers_home())},
            stdout=told,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode == 0:
        _name_users(with_ending(path, ".npz"), events)
    return done.returncode


def _name_users(path: Path, events: LeaveOneOut) -> None:
    """Exported users are numbers in order; give them their own ids again, so that runs can be paired."""
    with np.load(path) as arrays:
        columns = dict(arrays)
    if columns["users"].tolist() == [str(user + 1) for user in range(events.num_users)]:
        np.savez_compressed(path, **columns | {"users": events.user_ids.astype(str)})
