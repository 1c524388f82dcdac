"""What semantic IDs are like on real data, and what they cost: every preset, several seeds, one JSON line.

    python -m tests.benchmarks.tokenizer [DATA] [--only NAME] [--presets default,fsq] [--seeds 0,1,2]

Shares of all items stand as they are: `collisions` after items were moved to free last codes, `moved` how many
were, `collisions_unspread` without moving any. An agreement stands beside its `_permuted`, and its `_z` says by
how many standard deviations of the permutations it is above.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from components.tokenizer.config import default, fsq, kmeans, paper, product
from components.tokenizer.fit import Fitted, fit_tokenizer
from components.tokenizer.health import CodebookCollapsed, CodesMeaningless, HealthLimits, check_health
from components.tokenizer.ids import SemanticIds, with_collision_tokens
from components.tokenizer.stability import stability
from tests.benchmarks.catalogues import Catalogue, catalogues

PRESETS = {"default": default, "kmeans": kmeans, "fsq": fsq, "product": product, "paper": paper}
SEEDS = (0, 1, 2)


def run(
    data: str | None, *, presets: Sequence[str] = tuple(PRESETS), seeds: Sequence[int] = SEEDS, only: str = ""
) -> dict[str, Any]:
    """{data set: figures or "skipped: …"}; `data` as for `catalogues`, None means the data beside the checkout."""
    told: dict[str, Any] = {}
    for name, read in catalogues(data).items():
        if only not in name:
            continue
        if read is None:
            told[name] = "skipped: it does not lie beside this checkout"
            continue
        with tempfile.TemporaryDirectory(prefix="recloop-bench-") as folder:
            begin = time.process_time()
            catalogue = read(Path(folder))
            encoding = time.process_time() - begin
        told[name] = {
            "items": len(catalogue.item_ids),
            "events": sum(len(own) for own in catalogue.items),
            "modalities": {m: float(mask.mean()) for m, mask in catalogue.present.items()},
            "encoding_cpu_seconds": encoding,
            "presets": {preset: measure(catalogue, preset, seeds) for preset in presets},
            "process_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    return told


def measure(catalogue: Catalogue, preset: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Figures of each seed, and how much of the IDs of the first seed the others keep."""
    tables, figures = [], []
    for seed in seeds:
        begin = time.process_time()
        fitted = _fit(catalogue, preset, seed)
        spent = time.process_time() - begin
        print(
            f"{catalogue.name}, {preset}, seed {seed}: {fitted.health.summary()}; {spent:.0f} CPU s",
            file=sys.stderr,
        )
        tables.append(_table(catalogue, fitted))
        kept = stability(tables[0], tables[-1])
        figures.append(
            {
                "seed": seed,
                "cpu_seconds": spent,
                "codebook_size": fitted.tokenizer.codebook_size,
                "gate": _gate(fitted),
                "full_ids_distinct": len(np.unique(tables[-1].codes, axis=0)) == len(catalogue.item_ids),
                **fitted.health.metrics(),
                **(kept.metrics() if kept and len(tables) > 1 else {}),
            }
        )
    return {"runs": figures, "worst": _worst(figures)}


def _fit(catalogue: Catalogue, preset: str, seed: int) -> Fitted:
    return fit_tokenizer(
        catalogue.vectors,
        catalogue.present,
        catalogue.edges(),
        len(catalogue.items),
        replace(PRESETS[preset](), seed=seed),
        categories=catalogue.categories,
    )


def _table(catalogue: Catalogue, fitted: Fitted) -> SemanticIds:
    popularity = np.bincount(catalogue.edges()[1], minlength=len(catalogue.item_ids))
    return with_collision_tokens(catalogue.item_ids, fitted.codes, popularity)


def _gate(fitted: Fitted) -> str:
    try:
        check_health(fitted.health, HealthLimits())
    except (CodebookCollapsed, CodesMeaningless) as stop:
        return f"{type(stop).__name__}: {stop}"
    return "passed"


def _worst(figures: list[dict[str, Any]]) -> dict[str, Any]:
    """Over seeds: the figures that the targets speak of, each at its worst."""
    targets = {
        "usage": min(v for run in figures for k, v in run.items() if k.startswith("usage_")),
        "perplexity": min(v for run in figures for k, v in run.items() if k.startswith("perplexity_")),
        "collisions": max(run["collisions"] for run in figures),
        "collisions_unspread": max(run["collisions_unspread"] for run in figures),
        "moved": max(run["moved"] for run in figures),
        "cpu_seconds": max(run["cpu_seconds"] for run in figures),
    }
    for name in ("co_interaction_1", "category_1"):
        if any(run.get(f"{name}_permuted") for run in figures):
            targets[f"{name}_lift"] = min(run[name] / run[f"{name}_permuted"] for run in figures)
            targets[f"{name}_z"] = min(run[f"{name}_z"] for run in figures)
    met = targets["usage"] >= 0.95 and targets["perplexity"] >= 0.8 and targets["collisions"] <= 0.02
    return {**targets, "health_targets_met": met}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.tokenizer", description=__doc__)
    parser.add_argument("data", nargs="?", help="a folder of events and items, or ml100k")
    parser.add_argument("--only", default="", help="part of a data set's name")
    parser.add_argument("--presets", default=",".join(PRESETS))
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    asked = parser.parse_args()
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    told = run(asked.data, presets=asked.presets.split(","), seeds=seeds, only=asked.only)
    print(json.dumps({"part": "tokenizer", **rounded(told)}), flush=True)


def rounded(value: Any, digits: int = 4) -> Any:
    """The same nest of dicts and lists with its floats rounded."""
    if isinstance(value, dict):
        return {key: rounded(one, digits) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one, digits) for one in value]
    return round(value, digits) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
