"""A peer for `throughput`, in its own environment: for every line that comes in, train and print the cost.

python peer_throughput_process.py FOLDER_OF_PEERS PEER DATA
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

BATCHES = 20  # of RecBole: its epoch has hundreds


class Few:
    """The first batches of a data loader, shuffled as it shuffles; all else is the loader's."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[Any]:
        return islice(iter(self.loader), BATCHES)

    def __len__(self) -> int:
        return BATCHES

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


class Taken(Exception):
    """The peer has handed over its training loop; the rest of its run is not wanted."""


def main(folder: str, peer: str, data: str) -> None:
    sys.path.insert(0, folder)
    run_peers: Any = importlib.import_module("run_peers")
    taken: dict[str, Any] = {}

    def take(run: Any, train_epoch: Callable[[int], None], *rest: Any, **counts: Any) -> None:
        taken.update(train_epoch=train_epoch, targets=counts["targets_per_epoch"])
        raise Taken

    run_peers.Run.curve_loop = take
    with contextlib.suppress(Taken):
        run_peers.PEERS[peer][0](run_peers.Run(peer, run_peers.Data(data), 1, 1, 1, 1))
    train_epoch, targets = taken["train_epoch"], taken["targets"]
    if peer.startswith("recbole"):
        held = dict(zip(train_epoch.__code__.co_freevars, train_epoch.__closure__, strict=True))
        loader = held["tr"].cell_contents
        held["tr"].cell_contents = Few(loader)
        targets = BATCHES * loader.config["train_batch_size"]
    for _ in sys.stdin:
        begin = time.process_time()
        train_epoch(0)
        print(json.dumps({"targets": targets, "cpu_seconds": time.process_time() - begin}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
