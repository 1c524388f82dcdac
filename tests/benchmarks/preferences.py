"""The front of `multitron` against trainings for one objective: MovieLens' ratings as two types of event.

A rating of 4 or 5 is `liked`, a lower one `seen`. Leave-one-out, full ranking, seen items left out: a user counts for
the type of the event that is to be found, so a point of the front is NDCG@10 of the users whose next film was liked,
and of the others. What is trained for one type alone (weights 1, 0) and SASRec, not told types, stand beside it.

    python -m tests.benchmarks.preferences                       # on the test events; writes docs/preferences.png
    python -m tests.benchmarks.preferences --validation --concentration 1 --penalty 0.5
"""

from __future__ import annotations

import argparse
import json
import resource
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from components.data.sources import movielens
from components.evaluation.bootstrap import bootstrap_means, interval
from components.evaluation.hypervolume import hypervolume
from components.recommender import presets
from components.recommender.arm import Arm, Histories
from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.multitron import train_multitron
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.sequences import TrainingSequences
from tests.benchmarks.arms import in_order
from tests.benchmarks.datasets import wheels_folder
from tests.benchmarks.leave_one_out import PLACES, ndcg, places
from tests.benchmarks.surroundings import CHECKOUT, results_folder

LIKED, SEEN = "liked", "seen"
FROM = 4.0  # rating of what was liked
PARTS = np.linspace(0, 1, 11)  # of what is liked, in a preference


@dataclass(frozen=True, kw_only=True)
class World:
    """Users' items, moments and types, oldest first; the last two of each are held out."""

    items: list[list[str]]
    times: list[list[int]]
    types: list[list[str]]

    def training(self, weights: dict[str, float] | None = None) -> TrainingSequences:
        kept = [one[:-2] for one in self.types]
        return TrainingSequences.from_lists(
            [one[:-2] for one in self.items],
            [one[:-2] for one in self.times],
            item_ids=np.unique(np.concatenate(self.items)),
            types=kept,
            weights=None if weights is None else [[weights[name] for name in one] for one in kept],
        )

    def asked(self, back: int) -> tuple[Histories, np.ndarray, Bool[np.ndarray, "user"]]:
        """Histories before the event that is `back` from the end, that event's item, and whether it was liked."""
        catalogue = np.unique(np.concatenate(self.items))
        length = np.array([len(one) for one in self.items])
        end = np.cumsum(length)
        flat = np.searchsorted(catalogue, np.concatenate(self.items))
        liked = np.array([one[-back] == LIKED for one in self.types])
        histories = Histories(
            catalogue=catalogue, items=flat, times=np.concatenate(self.times), start=end - length, end=end - back
        )  # fmt: skip
        return histories, flat[end - back], liked


def read_world(cache: Path) -> World:
    events = movielens.read_movielens(wheels_folder(cache), until=None).events
    events = events.sort_values("timestamp", kind="stable")
    events["type"] = np.where(events["value"] >= FROM, LIKED, SEEN)
    lists = events.groupby("user_id")[["item_id", "timestamp", "type"]].agg(list)
    return World(
        items=lists["item_id"].tolist(), times=lists["timestamp"].tolist(), types=lists["type"].tolist()
    )


def gains(arm: Arm, world: World, back: int) -> tuple[Float[np.ndarray, "user"], Bool[np.ndarray, "user"]]:
    histories, wanted, liked = world.asked(back)
    return ndcg(places(arm.recommend(histories, k=PLACES), wanted)), liked


def point(gain: Float[np.ndarray, "user"], liked: Bool[np.ndarray, "user"]) -> list[float]:
    return [float(gain[liked].mean()), float(gain[~liked].mean())]


def difference(a: np.ndarray, b: np.ndarray) -> list[float]:
    """Mean of a - b with its interval, paired over users, 95 %."""
    values = (a - b)[:, None]
    lower, upper = interval(bootstrap_means(values, resamples=10_000, seed=7)[:, 0], values[:, 0])
    return [float(values.mean()), float(lower), float(upper)]


def measure(world: World, concentration: float, penalty: float, seed: int, *, back: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    sequences = world.training()
    density = presets.density_of(sequences)
    config = replace(
        in_order(presets.default_multitron(density)), concentration=concentration, penalty=penalty
    )
    arm = train_multitron(sequences, vocabulary_of(sequences), config, seed=seed)
    front = [gains(arm.preferring(f"{LIKED}={p},{SEEN}={1 - p}"), world, back) for p in PARTS]
    points = np.array([point(*one) for one in front])
    found: dict[str, Any] = {
        "concentration": concentration, "penalty": penalty, "seed": seed,
        "front": points.round(4).tolist(), "hypervolume": hypervolume(points),
        "whole": [float(gain.mean()) for gain, _ in front],
        "cpu_seconds": resource.getrusage(resource.RUSAGE_SELF).ru_utime,
    }  # fmt: skip
    if back == 2:
        return found
    plain = in_order(presets.default_sasrec(density))
    liked = front[0][1]
    for name, weights in (
        ("sasrec", None),
        ("liked alone", {LIKED: 1.0, SEEN: 0.0}),
        ("seen alone", {LIKED: 0.0, SEEN: 1.0}),
    ):
        trained = world.training(weights)
        gain, _ = gains(train_dense("sasrec", trained, vocabulary_of(trained), plain, seed=seed), world, back)
        found[name] = {"point": point(gain, liked), "whole": float(gain.mean())}
        for part, of in ((0, "seen"), (5, "both"), (10, "liked")):
            users = {"seen": ~liked, "liked": liked, "both": liked | ~liked}[of]
            found[name][f"multitron at {PARTS[part]:g} minus it, {of}"] = difference(
                front[part][0][users], gain[users]
            )
    single = np.array([found["liked alone"]["point"], found["seen alone"]["point"]])
    found["hypervolume of both single trainings"] = hypervolume(single)
    found["hypervolume of sasrec"] = hypervolume(np.array([found["sasrec"]["point"]]))
    return found


def draw(found: dict[str, Any], path: Path) -> None:
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    x, y = np.array(found["front"]).T
    axes.plot(x, y, marker="o", color="#0b6e99", label="multitron, one training")
    for at in (0, 5, 10):
        axes.annotate(f"{LIKED}={PARTS[at]:g}", (x[at], y[at]), textcoords="offset points", xytext=(6, 4))
    for name, mark in (("sasrec", "s"), ("liked alone", "^"), ("seen alone", "v")):
        axes.plot(*found[name]["point"], mark, color="#c2571a", label=f"{name}, a training of its own")
    axes.set(xlabel="NDCG@10, next film liked", ylabel="NDCG@10, next film not liked")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--validation", action="store_true", help="on the events before the last: to choose settings"
    )
    parser.add_argument("--concentration", type=float, default=presets.default_multitron().concentration)
    parser.add_argument("--penalty", type=float, default=presets.default_multitron().penalty)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    world = read_world(results_folder() / "sources")
    back = 2 if asked.validation else 1
    found = measure(world, asked.concentration, asked.penalty, asked.seed, back=back)
    print(json.dumps(found, indent=1))
    if not asked.validation:
        draw(found, CHECKOUT / "docs" / "preferences.png")


if __name__ == "__main__":
    main()
