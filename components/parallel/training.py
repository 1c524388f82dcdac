"""A training by several workers of Ray Train: the same function runs on each, in one process group of torch.

Ray starts the workers and joins them; what a rank does differently lies in `recommender.training.ranks`. A worker that
dies takes the group down, and a new one goes on from the checkpoint, to the weights that an undisturbed one ends in.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from components.parallel.board import TOLD_EVERY, Board, Teller
from components.parallel.workers import Workers, WorkersLost, imported_ray, ray_of
from components.recommender.arm import Arm
from components.recommender.loading import load_arm
from components.recommender.training.step import OnStep

REPLACED_AT_MOST = 3  # groups, before a training is given up
# what a lost peer, a full disk or a full memory looks like: tried again; anything else would come again
_MAY_PASS = (RuntimeError, OSError, MemoryError)


def train_on_ray(
    train: Callable[..., Arm],
    *,
    workers: Workers,
    folder: Path,
    device: str = "cpu",
    on_step: OnStep | None = None,
) -> Arm:
    """The arm that `train(on_step=...)` gives when every worker calls it.

    `train` is picklable, trains by `fit` or `fit_tiger`, and has a checkpoint on a file system that all workers
    share; `folder` is on one too, and is gone again when this returns. Raises what `train` raises, RayMissing, and
    WorkersLost where workers die more than REPLACED_AT_MOST times.
    """
    with ray_of(workers):
        ray = imported_ray()
        board = ray.remote(num_cpus=0)(Board).remote()
        config = {"train": ray.put(train), "board": board, "folder": folder, "threads": workers.threads}
        trainer = _trainer(partial(_rank, config), workers, folder, device)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            _told_while_running(trainer.fit, board, on_step)
            if (refused := ray.get(board.refusal.remote())) is not None:
                raise refused
            return load_arm(folder / "arm")
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _trainer(rank: Callable[[], None], workers: Workers, folder: Path, device: str) -> Any:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    on_gpu = device == "cuda"
    return TorchTrainer(
        rank,
        torch_config=TorchConfig(backend="nccl" if on_gpu else "gloo"),
        scaling_config=ScalingConfig(num_workers=workers.count, use_gpu=on_gpu),
        run_config=RunConfig(
            name=folder.name,
            storage_path=str(folder / "ray"),
            failure_config=FailureConfig(max_failures=REPLACED_AT_MOST),
        ),
    )


def _rank(config: dict[str, Any]) -> None:
    """What each worker runs."""
    import ray
    import torch
    from ray.train import get_context
    from ray.train.torch import get_device

    board = config["board"]
    if ray.get(board.refusal.remote()) is not None:
        return  # the group before was refused: nothing to try again
    torch.set_num_threads(config["threads"])
    if (device := get_device()).type == "cuda":
        torch.cuda.set_device(device)
    teller = Teller(board)
    try:
        arm = ray.get(config["train"])(on_step=teller)
    except Exception as error:
        if not isinstance(error, _MAY_PASS):
            ray.get(board.refuse.remote(error))
        raise
    if get_context().get_world_rank() == 0:
        teller.send()
        arm.save(config["folder"] / "arm")


def _told_while_running(fit: Callable[[], object], board: Any, on_step: OnStep | None) -> None:
    """Run `fit` and pass its steps on, each once: a group that goes on from a checkpoint takes some again."""
    import ray

    failed: list[Exception] = []
    # a daemon: whoever interrupts the stage waits for no training
    running = threading.Thread(target=_caught, args=(fit, failed), daemon=True)
    running.start()
    last = 0
    while True:
        is_over = not running.is_alive()
        for step in ray.get(board.take.remote()):
            if on_step is not None and step.step > last:
                on_step(step)
            last = max(last, step.step)
        if is_over:
            break
        running.join(TOLD_EVERY)
    if failed and ray.get(board.refusal.remote()) is None:
        raise WorkersLost(
            f"the training's workers failed {REPLACED_AT_MOST + 1} times; the last time: {failed[0]}. Run the same "
            "command again, which goes on from the last epoch, or set RECLOOP_WORKERS lower if memory was short"
        ) from failed[0]


def _caught(fit: Callable[[], object], failed: list[Exception]) -> None:
    try:
        fit()
    except Exception as error:
        failed.append(error)
