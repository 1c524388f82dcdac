"""Runs of arms on disk: where each user's test item stood, and what the run cost, one pair of files a run.

    RESULTS/accuracy/DATA/ARM__SEED.npz     users [user] str; fil, unf [user] place from 1, 0 beyond ten
    RESULTS/accuracy/DATA/ARM__SEED.json    figures
    RESULTS/parts/PART__DATA.json           figures of the other parts

Peers and our arms write the same, so that one table holds both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int


@dataclass(frozen=True, kw_only=True)
class ArmRun:
    """One arm on one data set with one seed."""

    data: str
    arm: str
    seed: int
    users: np.ndarray  # [user] str
    fil: Int[np.ndarray, "user"]
    unf: Int[np.ndarray, "user"]
    figures: dict[str, Any]  # role, training_cpu_seconds, peak_mb, parameters, users_per_cpu_second, …


def run_path(results: Path, data: str, arm: str, seed: int) -> Path:
    """Without its ending."""
    return results / "accuracy" / data / f"{arm}__{seed}"


def is_done(results: Path, data: str, arm: str, seed: int) -> bool:
    """The figures are written last."""
    return with_ending(run_path(results, data, arm, seed), ".json").is_file()


def with_ending(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def write_run(results: Path, run: ArmRun) -> None:
    path = run_path(results, run.data, run.arm, run.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(with_ending(path, ".npz"), users=run.users.astype(str), fil=run.fil, unf=run.unf)
    named = {"data": run.data, "arm": run.arm, "seed": run.seed}
    with_ending(path, ".json").write_text(json.dumps(named | run.figures, indent=1))


def read_runs(results: Path) -> list[ArmRun]:
    """Every finished run, by data, arm and seed."""
    found = []
    for path in sorted((results / "accuracy").glob("*/*.json")):
        figures = json.loads(path.read_text())
        with np.load(path.with_suffix(".npz")) as arrays:
            found.append(
                ArmRun(
                    data=figures.pop("data"),
                    arm=figures.pop("arm"),
                    seed=figures.pop("seed"),
                    users=arrays["users"],
                    fil=arrays["fil"],
                    unf=arrays["unf"],
                    figures=figures,
                )
            )
    return sorted(found, key=lambda run: (run.data, run.arm, run.seed))


def write_part(results: Path, part: str, data: str, figures: dict[str, Any]) -> None:
    path = results / "parts" / f"{part}__{data}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1))


def read_parts(results: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """(part, data) → figures."""
    found = {}
    for path in sorted((results / "parts").glob("*__*.json")):
        part, data = path.stem.split("__", 1)
        found[part, data] = json.loads(path.read_text())
    return found
