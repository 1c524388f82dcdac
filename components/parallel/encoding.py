"""Encoding by several workers of Ray Data: each holds the encoder, and takes its shares of the contents.

An encoder gives equal content equal vectors, whatever else is encoded beside it, so that the vectors are one process's
to the byte and no key knows who made them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from components.features.encoders.content import Encoded, Encoder, OnStep
from components.parallel.workers import Workers, WorkersLost, ray_data_of

FEWEST = 512  # contents: fewer are encoded before Ray has started
SHARES_A_WORKER = 8  # what is left at the end is spread


def encode_on_ray(
    encoder: Encoder, values: Sequence[Any], workers: Workers, on_step: OnStep | None = None
) -> Encoded:
    """Vectors of the values, as `encoder.encode` gives them; files lie where every worker finds them.

    Few contents, and those of an encoder that costs less than looking up, are encoded in this process. `on_step` counts
    contents as their shares come back. Raises RayMissing, and WorkersLost for whatever a worker raised.
    """
    if encoder.kept_as is None or len(values) < FEWEST:
        return encoder.encode(values, on_step)
    edges = np.linspace(0, len(values), 1 + workers.count * SHARES_A_WORKER).astype(int)
    shares = [{"first": int(first), "last": int(last)} for first, last in pairwise(edges)]
    vectors = np.zeros((len(values), encoder.dim), dtype=np.float32)
    failed: dict[int, str] = {}
    done = 0
    with ray_data_of(workers) as data:
        for share in _encoded(data, encoder, values, workers, shares):
            first, found = share["first"], share["vectors"]
            vectors[first : first + len(found)] = found
            failed |= {first + int(row): why for row, why in share["failed"]}
            done += len(found)
            if on_step is not None:
                on_step(done, len(values), {})
    return Encoded(vectors=vectors, failed=failed)


def _encoded(
    data: Any, encoder: Encoder, values: Sequence[Any], workers: Workers, shares: list[dict[str, int]]
) -> Iterator[dict[str, Any]]:
    import ray

    encoded = data.from_items(shares, override_num_blocks=len(shares)).map_batches(
        _Worker,
        batch_size=1,
        compute=data.ActorPoolStrategy(size=workers.count),
        num_gpus=workers.gpus_each,
        fn_constructor_kwargs={
            "encoder": encoder, "values": ray.put(list(values)), "threads": workers.threads,
        },
    )  # fmt: skip
    try:
        yield from (row["share"] for row in encoded.iter_rows())
    except ray.exceptions.RayError as error:
        raise WorkersLost(
            f"a worker of the encoding failed: {error}. Run the same command again; RECLOOP_ENGINE=local and "
            "RECLOOP_WORKERS=1 encode in one process"
        ) from error


class _Worker:
    """One worker: an encoder in memory, and where the contents are."""

    def __init__(self, *, encoder: Encoder, values: Any, threads: int) -> None:
        import ray
        import torch

        torch.set_num_threads(threads)
        self._encoder, self._values = encoder, ray.get(values)

    def __call__(self, share: dict[str, Any]) -> dict[str, Any]:
        first, last = int(share["first"][0]), int(share["last"][0])
        values = self._values[first:last]
        if away := next((one for one in values if isinstance(one, Path) and not one.exists()), None):
            raise FileNotFoundError(
                f"{away} is not on this worker's machine: the source's folder of images and sounds has to lie on a "
                "file system that all workers share"
            )
        encoded = self._encoder.encode(values)
        told = {"first": first, "vectors": encoded.vectors, "failed": list(encoded.failed.items())}
        return {"share": np.array([told], dtype=object)}
