"""Batch scoring by several workers of Ray Data: each opens the version once, and scores its share of the chunks.

A worker reads its chunks from the cut's file and writes their parts where one process would, so that neither histories
nor lists travel, a run that was cut off goes on with either engine, and the rows are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from components.parallel.workers import Workers, WorkersLost, ray_data_of
from components.serving.batch import OnScored, Parts
from components.serving.histories import Partitions, UserHistories
from components.serving.loaded import LoadedVersion

SHARES_A_WORKER = 8  # of the chunks: what is left at the end is spread


def write_on_ray(
    open_version: Callable[[], LoadedVersion],
    workers: Workers,
    parts: Parts,
    source: UserHistories,
    on_step: OnScored | None,
) -> None:
    """Write all parts of a run. `open_version` is picklable; the cut, the bundle and the run's folder lie on a file
    system that all workers share.

    Raises RayMissing, and WorkersLost for whatever a worker raised.
    """
    partitions = source.partitions(parts.run.users_at_once)
    edges = np.linspace(0, len(partitions), 1 + min(len(partitions), workers.count * SHARES_A_WORKER))
    if not len(partitions):
        return
    shares = [{"first": int(first), "last": int(last)} for first, last in pairwise(edges)]
    with ray_data_of(workers) as data:
        scored = data.from_items(shares, override_num_blocks=len(shares)).map_batches(
            _Scorer,
            batch_size=1,
            compute=data.ActorPoolStrategy(size=min(workers.count, len(shares))),
            num_gpus=workers.gpus_each,
            fn_constructor_kwargs={
                "open_version": open_version, "partitions": partitions, "parts": parts, "threads": workers.threads,
            },
        )  # fmt: skip
        _watched(scored, source.num_users, on_step)


def _watched(scored: Any, num_users: int, on_step: OnScored | None) -> None:
    import ray

    done = 0
    try:
        for row in scored.iter_rows():
            done += row["num_users"]
            if on_step is not None:
                on_step(done, max(done, num_users))
    except ray.exceptions.RayError as error:
        raise WorkersLost(
            f"a worker of the scoring failed: {error}. Run the same command again, which keeps the parts that are "
            "there; RECLOOP_ENGINE=local and RECLOOP_WORKERS=1 score in one process"
        ) from error


class _Scorer:
    """One worker: a version in memory."""

    def __init__(
        self, *, open_version: Callable[[], LoadedVersion], partitions: Partitions, parts: Parts, threads: int
    ) -> None:
        import torch

        torch.set_num_threads(threads)
        self._version, self._partitions, self._parts = open_version(), partitions, parts

    def __call__(self, share: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for number, chunk in self._partitions.chunks(int(share["first"][0]), int(share["last"][0])):
            self._parts.write(self._version, number, chunk)
            yield {"num_users": np.array([len(chunk)])}
