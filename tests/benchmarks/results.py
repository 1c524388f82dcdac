"""Outcomes on disk: where each user's test item stood, and what the run cost, one pair of files a run.

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
class Outcome:
    """One arm on one data set with one seed."""

    data: str
    arm: str
    seed: int
    users: np.ndarray  # [user] str
    fil: Int[np.ndarray, "user"]
    unf: Int[np.ndarray, "user"]
    figures: dict[str, Any]  # role, training_cpu_seconds, peak_mb, parameters, users_per_cpu_second, …


def outcome_path(results: Path, data: str, arm: str, seed: int) -> Path:
    """Without its ending."""
    return results / "accuracy" / data / f"{arm}__{seed}"


def is_done(results: Path, data: str, arm: str, seed: int) -> bool:
    """The figures are written last."""
    return with_ending(outcome_path(results, data, arm, seed), ".json").is_file()


def with_ending(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def write_outcome(results: Path, outcome: Outcome) -> None:
    path = outcome_path(results, outcome.data, outcome.arm, outcome.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        with_ending(path, ".npz"), users=outcome.users.astype(str), fil=outcome.fil, unf=outcome.unf
    )
    named = {"data": outcome.data, "arm": outcome.arm, "seed": outcome.seed}
    with_ending(path, ".json").write_text(json.dumps(named | outcome.figures, indent=1))


def read_outcomes(results: Path) -> list[Outcome]:
    """Every finished run, by data, arm and seed."""
    found = []
    for path in sorted((results / "accuracy").glob("*/*.json")):
        figures = json.loads(path.read_text())
        with np.load(path.with_suffix(".npz")) as arrays:
            found.append(
                Outcome(
                    data=figures.pop("data"),
                    arm=figures.pop("arm"),
                    seed=figures.pop("seed"),
                    users=arrays["users"],
                    fil=arrays["fil"],
                    unf=arrays["unf"],
                    figures=figures,
                )
            )
    return sorted(found, key=lambda outcome: (outcome.data, outcome.arm, outcome.seed))


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
