"""The workers of a stage, and the Ray that they run in: one that runs already, or one of this machine alone.

A Ray that is started here listens on loopback, has no dashboard, tells nobody of its use, and ends with the stage; its
processes die with this one. It finds the code where this process does. A Ray at an address is somebody's cluster: its
nodes hold the same checkout or image, and see the same artifacts and home under the same paths.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STARTED_AT_MOST = 4  # attempts
OBJECT_STORE_BYTES = 256 * 2**20  # in shared memory; more is spilled to the disk
_ROOT, _LIGHT = Path(__file__).parents[2], Path(__file__).parent / "light"
# read by Ray when it is imported or started
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_agent_register_timeout_ms": "120000",
    "RAY_worker_niceness": "0",  # Ray's 15 is for machines of its own: beside other work a stage would stand still
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_ENABLE_METRICS_COLLECTION": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what it says of itself; what goes wrong is raised
}

# of a Ray that is started here: on loopback (what Ray does unasked on macOS and Windows), and under a token of this
# process's own, where Ray would write one into the user's home folder
_ALONE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}


class RayMissing(Exception):
    """The extra `ray` is not installed."""


class WorkersLost(Exception):
    """Workers died, or did not come, more often than they are replaced."""


@dataclass(frozen=True, kw_only=True)
class Workers:
    """How many there are, and where."""

    count: int
    address: str = ""  # of a Ray that runs, host:port; "": one is started here
    threads: int = 1  # of torch, in each
    gpus_each: int = 0  # of Ray, which shows each worker its own

    def __post_init__(self) -> None:
        if min(self.count, self.threads) < 1:
            raise ValueError(
                f"{self.count} workers of {self.threads} threads: at least one of each is needed"
            )


@contextmanager
def ray_of(workers: Workers) -> Iterator[None]:
    """Ray, connected, for as long as it is needed; one that this process is in already stays.

    Raises RayMissing, and WorkersLost where nothing answers at the address or Ray does not start.
    """
    if not workers.address and "ray" not in sys.modules:
        os.environ |= _ALONE
    ray = imported_ray()
    if ray.is_initialized():
        yield
        return
    # a short path: a Unix socket's has 107 bytes at most
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    try:
        if workers.address:
            _connect(workers)
        else:
            _start(workers, folder)
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def ray_data_of(workers: Workers) -> Iterator[Any]:
    """The module `ray.data` in a Ray, for as long as it is needed; quiet, since a stage tells itself how far it is.

    Raises as `ray_of` does.
    """
    with ray_of(workers), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it deprecates settings that it sets itself
        import ray.data

        logging.getLogger("ray.data").setLevel(logging.ERROR)  # its import sets it
        yield ray.data


def imported_ray() -> Any:
    """The module. Raises RayMissing."""
    os.environ.update({name: value for name, value in _SETTINGS.items() if name not in os.environ})
    try:
        import ray
    except ImportError as error:
        raise RayMissing(
            'RECLOOP_ENGINE is ray, and Ray is not installed: run make -B install LOCKS="runtime ray dev", '
            "or set RECLOOP_ENGINE=local and RECLOOP_WORKERS=1"
        ) from error
    return ray


def _start(workers: Workers, folder: Path) -> None:
    import ray

    before = os.environ.get("PYTHONPATH")
    path = os.pathsep.join(filter(None, (str(_LIGHT), str(_ROOT), before)))
    os.environ["PYTHONPATH"] = path  # of Ray's own processes, which take this one's environment
    try:
        _tried_again(
            ray.init,
            address="local",
            num_cpus=workers.count,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.WARNING,
            runtime_env={"env_vars": {"PYTHONPATH": path, "OMP_NUM_THREADS": str(workers.threads)}},
            _temp_dir=str(folder),
        )
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


def _tried_again(init: Callable[..., object], **how: object) -> None:
    """Ray gives its own processes 15 and 30 seconds to come up, fixed, which a loaded machine may not keep to.

    Raises WorkersLost.
    """
    import ray

    for attempt in range(1, STARTED_AT_MOST + 1):
        try:
            init(**how)
            return
        except Exception as error:  # Ray raises a plain one
            ray.shutdown()
            if attempt == STARTED_AT_MOST:
                raise WorkersLost(
                    f"Ray did not start in {STARTED_AT_MOST} attempts ({error}). Run the same command again when this "
                    "machine has less to do, or set RECLOOP_ENGINE=local and RECLOOP_WORKERS=1"
                ) from error


def _connect(workers: Workers) -> None:
    import ray

    try:
        ray.init(
            address=workers.address,
            log_to_driver=False,
            logging_level=logging.WARNING,
            runtime_env={"env_vars": {"OMP_NUM_THREADS": str(workers.threads)}},
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise WorkersLost(
            f"no Ray answers at {workers.address} ({error}). Start it with ray start --head, or correct "
            "RECLOOP_RAY_ADDRESS; empty, a Ray is started here"
        ) from error
