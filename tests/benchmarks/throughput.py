"""Training speed of SASRec with full softmax on one thread, ours beside the peers': real targets a CPU second.

Three processes stand ready and take turns, so that what else the machine does falls on all alike. A round of
ours and of ref_sasrec is an epoch, one of RecBole a fixed number of batches through its own trainer, with
autograd's anomaly detection off.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.datasets import open_dataset
from tests.benchmarks.peers import export, interpreter, what_is_missing
from tests.benchmarks.surroundings import (
    CHECKOUT,
    peers_home,
    results_folder,
    shared_folder,
    single_thread,
)

ROUNDS = 3  # counted; one before them warms up
PEERS = ("ref_sasrec_b64", "recbole_sasrec")
_HERE = Path(__file__).parent


def throughput(data: str) -> dict[str, float | str]:
    """Median targets per CPU second of each; peers that are missing are told in `skipped`.

    A target is an event with a loss. Ours has one on each user's first event, predicted from nothing, which no peer
    has: `sasrec_later` leaves those out of the count, though not out of the work.
    """
    events = open_dataset(data, results_folder() / "sources").events
    commands: dict[str, Sequence[str]] = {
        "sasrec": [sys.executable, "-m", "tests.benchmarks.throughput_process", data]
    }
    missing = what_is_missing()
    if not missing:
        export(events, peers_home() / "data")
        for peer in PEERS:
            commands[peer] = [
                str(interpreter(peer)),
                str(_HERE / "peer_throughput_process.py"),
                str(shared_folder() / "peers"),
                peer,
                events.name,
            ]
    rates = _take_turns(commands)
    figures: dict[str, float | str] = {name: statistics.median(found) for name, found in rates.items()}
    figures |= {f"{name}_least": min(found) for name, found in rates.items()}
    figures |= {f"{name}_most": max(found) for name, found in rates.items()}
    return figures | ({"skipped": missing} if missing else {})


def _take_turns(commands: dict[str, Sequence[str]]) -> dict[str, list[float]]:
    running = {
        name: subprocess.Popen(
            list(command),
            cwd=CHECKOUT if name == "sasrec" else peers_home(),  # peers leave logs where they run
            env=single_thread() | {"PEERS_HOME": str(peers_home())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, command in commands.items()
    }
    rates: dict[str, list[float]] = {name: [] for name in commands}
    later = rates.setdefault("sasrec_later", [])
    try:
        for turn in range(ROUNDS + 1):
            for name, process in running.items():
                told = _round(name, process)
                if turn:
                    rates[name].append(told["targets"] / told["cpu_seconds"])
                    if "later_targets" in told:
                        later.append(told["later_targets"] / told["cpu_seconds"])
    finally:
        for process in running.values():
            process.stdin.close()
            process.wait()
    return rates


def _round(name: str, process: subprocess.Popen[str]) -> dict[str, float]:
    """Ask for a round: its targets and CPU seconds.

    The answer is a line of JSON; whatever else the process says is passed over.
    """
    process.stdin.write("\n")
    process.stdin.flush()
    for line in process.stdout:
        if line.startswith('{"targets"'):
            told: dict[str, float] = json.loads(line)
            return told
    raise ThroughputStopped(f"{name} ended with exit {process.wait()} before its round was over; see above")


class ThroughputStopped(RuntimeError):
    """A process that is timed ended early."""
