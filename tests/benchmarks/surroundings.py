"""Where the benchmark reads and writes, as the environment says: RESULTS, PEERS_HOME, SHARED_HOME."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def results_folder() -> Path:
    """Figures of every run, so that a long benchmark can be split and continued; ignored by git."""
    return Path(os.environ.get("RESULTS") or CHECKOUT / ".bench").expanduser().resolve()


def peers_home() -> Path:
    """Environments and data of the peers, made as the README of `shared/peers` says."""
    return Path(os.environ.get("PEERS_HOME") or CHECKOUT / ".peers").expanduser().resolve()


def shared_folder() -> Path:
    """Real data and the peers' code; beside the checkout unless told otherwise."""
    return Path(os.environ.get("SHARED_HOME") or CHECKOUT.parent / "shared").expanduser().resolve()


def single_thread() -> dict[str, str]:
    """The environment of a measured process: one thread, no spinning at barriers, no GPU."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PEERS_THREADS"), "1")
    return {**os.environ, **one, "OMP_WAIT_POLICY": "PASSIVE", "CUDA_VISIBLE_DEVICES": ""}
