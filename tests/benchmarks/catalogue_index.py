"""The same top ten by an index of faiss over the item vectors: a line of figures.

Run by `catalogue.py` in the environment of INDEX_PYTHON, never imported by it: faiss is not installed here.

    python catalogue_index.py hnsw|ivf FOLDER
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

PLACES, HISTORY, BATCH, ALONE = 10, 10, 64, 100
RECALL = 0.95
WIDTHS = (8, 16, 32, 64, 128, 256, 512, 1024)  # of the search: candidates of HNSW, lists of IVF


def peak_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


def main(kind: str, folder: Path) -> dict[str, Any]:
    faiss: Any = importlib.import_module("faiss")
    faiss.omp_set_num_threads(1)
    vectors, states = np.load(folder / "vectors.npy"), np.load(folder / "states.npy")
    seen, exact = np.load(folder / "histories.npy"), np.load(folder / "exact.npy")
    begin = time.process_time()
    if kind == "hnsw":
        index = faiss.IndexHNSWFlat(vectors.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 80
    else:
        lists = int(4 * len(vectors) ** 0.5)
        index = faiss.IndexIVFFlat(
            faiss.IndexFlatIP(vectors.shape[1]), vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT
        )
        index.cp.max_points_per_centroid, index.cp.niter = 64, 10
        index.train(vectors)
    index.add(vectors)
    built, recall, width = time.process_time() - begin, 0.0, 0
    for width in WIDTHS:
        if kind == "hnsw":
            index.hnsw.efSearch = max(width, PLACES + HISTORY)
        else:
            index.nprobe = width
        recall = share_found(index, states, seen, exact)
        if recall >= RECALL:
            break
    return {"build_s": built, "width": width, "recall": recall, "peak_mb": peak_mb(), **speed(index, states)}


def share_found(index: Any, states: np.ndarray, seen: np.ndarray, exact: np.ndarray) -> float:
    """Places enough are asked for that ten are left when the seen ones are out."""
    _, found = index.search(states, PLACES + HISTORY)
    shares = []
    for own, had, wanted in zip(found, seen, exact, strict=True):
        left = [item for item in own.tolist() if item not in set(had.tolist())][:PLACES]
        shares.append(len(set(left) & set(wanted.tolist())) / PLACES)
    return float(np.mean(shares))


def speed(index: Any, states: np.ndarray) -> dict[str, float]:
    """CPU seconds of the search, a user: asked one by one, and in batches."""

    def seconds(some: np.ndarray) -> float:
        begin = time.process_time()
        index.search(some, PLACES + HISTORY)
        return (time.process_time() - begin) / len(some)

    alone = [seconds(states[user : user + 1]) for user in range(ALONE)]
    batched = [seconds(states[at : at + BATCH]) for at in range(0, len(states), BATCH)]
    return {"alone_s": float(np.median(alone)), "batched_s": float(np.median(batched))}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
