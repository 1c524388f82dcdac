"""What each part of the generative arm is worth: one removed at a time, paired over users, several seeds.

    python -m tests.benchmarks.ablation [DATA] --results FOLDER [--pieces N]

Protocol: trained on the first 80 % of each user's events by time, asked once for each user at that point, judged
by NDCG@10 over the user's last 20 % (all relevant alike; seen items filtered, and not relevant again; users with
fewer than five events are trained on only). The cut is each user's own, so what others did later is known:
the figures compare arms with each other, not with figures of a global cut.

Every (variant, seed) is a piece, kept in the results folder as soon as it is done: a run may be stopped, or be
split by `--pieces` into as many parts as wanted, and goes on where it was. A piece made under other settings is
made again. A row's difference is that of users' means over seeds, variant minus `all`; below zero the part helps.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from components.artifact import digest_of
from components.evaluation.bootstrap import bootstrap_means, interval
from components.evaluation.canonical import canonical_lists
from components.evaluation.ranking import Relevant, rank_metrics
from components.recommender.arm import Histories
from components.recommender.arms.mmgrec import MMGRecConfig, train_mmgrec
from components.recommender.networks.mixer import MixerConfig
from components.recommender.presets import default_mmgrec
from components.recommender.sequences import TrainingSequences
from components.tokenizer.config import TokenizerConfig, codebook_size_for, default
from components.tokenizer.fit import fit_tokenizer
from components.tokenizer.ids import with_collision_tokens
from tests.benchmarks.catalogues import FILMS, Catalogue, catalogues, edges_of
from tests.benchmarks.tokenizer import rounded

ALL, NO_GRAPH, RELATION, RANDOM = "all", "no graph", "relation term switched", "random IDs"
K = 10


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is trained, and how often."""

    tokenizer: TokenizerConfig = field(default_factory=default)
    recommender: MMGRecConfig = field(default_factory=default_mmgrec)
    seeds: tuple[int, ...] = (0, 1, 2)
    train_share: float = 0.8
    min_events: int = 5


@dataclass(frozen=True, kw_only=True)
class Split:
    """Each user's events before and after their own cut; rows of the catalogue's items."""

    before: list[Int[np.ndarray, "event"]]
    times: list[Int[np.ndarray, "event"]]
    asked: Int[np.ndarray, "request"]  # users that lists are made for
    relevant: Relevant  # of each request


def run(
    data: str | None, *, results: Path | None = None, pieces: int | None = None, plan: Plan | None = None
) -> dict[str, Any]:
    """Make up to `pieces` of the missing pieces (all by default), and the table once none is missing.

    `data` names a folder of events and items; None means the films beside the checkout.
    """
    plan = plan or Plan()
    read = next(iter(catalogues(data).values())) if data else catalogues(None)[FILMS]
    if read is None:
        return {FILMS: "skipped: it does not lie beside this checkout"}
    with tempfile.TemporaryDirectory(prefix="recloop-bench-") as aside:
        kept = results or Path(aside)
        kept.mkdir(parents=True, exist_ok=True)
        catalogue = read(kept / "vectors")
        split = split_by_user(catalogue, plan)
        table = {name: [_piece_path(kept, name, seed) for seed in plan.seeds] for name in variants(catalogue)}
        settings = _settings(catalogue, plan)
        missing = [
            (name, seed)
            for seed in plan.seeds
            for name in table
            if _read_piece(_piece_path(kept, name, seed), settings) is None
        ]
        for name, seed in missing[:pieces]:
            begin = time.process_time()
            ndcg = train_and_rank(catalogue, split, name, seed, plan)
            piece = {
                "settings": settings,
                "cpu_seconds": time.process_time() - begin,
                "ndcg": ndcg.tolist(),
            }
            _piece_path(kept, name, seed).write_text(json.dumps(piece))
            print(
                f"{name}, seed {seed}: NDCG@{K} {ndcg.mean():.4f}, {piece['cpu_seconds']:.0f} CPU s",
                flush=True,
            )
        left = len(missing) - len(missing[:pieces])
        told: dict[str, Any] = {"data": catalogue.name, "users": len(split.asked), "pieces_left": left}
        if left:
            return told
        return told | {
            "rows": rows({name: [_done(path, settings) for path in paths] for name, paths in table.items()})
        }


def variants(catalogue: Catalogue) -> list[str]:
    """All, one without each part that the data has, and codes that mean nothing."""
    modalities = sorted(catalogue.vectors) if len(catalogue.vectors) > 1 else []
    return [ALL, NO_GRAPH, *(f"no {modality}" for modality in modalities), RELATION, RANDOM]


def split_by_user(catalogue: Catalogue, plan: Plan) -> Split:
    """The first share of each user's events, and of the rest what the user had not had before."""
    before, times, asked, wanted = [], [], [], []
    for user, (items, when) in enumerate(zip(catalogue.items, catalogue.times, strict=True)):
        cut = len(items) if len(items) < plan.min_events else int(np.ceil(plan.train_share * len(items)))
        before.append(items[:cut])
        times.append(when[:cut])
        if len(new := np.setdiff1d(items[cut:], items[:cut])):
            asked.append(user)
            wanted.append(new)
    offsets = np.concatenate([[0], np.cumsum([len(new) for new in wanted])]).astype(np.int64)
    relevant = Relevant(
        offsets=offsets, items=np.concatenate(wanted) if wanted else np.zeros(0, dtype=np.int64)
    )
    return Split(before=before, times=times, asked=np.array(asked, dtype=np.int64), relevant=relevant)


def train_and_rank(
    catalogue: Catalogue, split: Split, name: str, seed: int, plan: Plan
) -> Float[np.ndarray, "request"]:
    """NDCG@10 of every request, by the arm trained without what `name` removes."""
    codes = semantic_ids(catalogue, split, name, seed, plan)
    sequences = TrainingSequences.from_lists(
        [catalogue.item_ids[own].tolist() for own in split.before],
        [when.tolist() for when in split.times],
        item_ids=catalogue.item_ids,
    )
    config = _relation_switched(plan.recommender) if name == RELATION else plan.recommender
    arm = train_mmgrec(sequences, codes, config, seed=seed)
    ends = np.cumsum([len(own) for own in split.before])
    histories = Histories(
        catalogue=catalogue.item_ids,
        items=np.concatenate(split.before),
        times=np.concatenate(split.times),
        start=(ends - [len(own) for own in split.before])[split.asked],
        end=ends[split.asked],
    )
    num_items = len(catalogue.item_ids)
    lists = canonical_lists(arm.recommend(histories, k=K).items, num_items=num_items)
    ndcg: Float[np.ndarray, "request"] = rank_metrics(
        lists, split.relevant, [f"ndcg@{K}"], num_items=num_items
    )[f"ndcg@{K}"]
    return ndcg


def semantic_ids(
    catalogue: Catalogue, split: Split, name: str, seed: int, plan: Plan
) -> Int[np.ndarray, "item token"]:
    """Full tuples of every item, by a tokenizer that sees nothing after the cuts."""
    edges = edges_of(split.before)
    num_items = len(catalogue.item_ids)
    if name == RANDOM:
        size = plan.tokenizer.codebook_size or codebook_size_for(num_items)
        codes = np.random.default_rng(seed).integers(size, size=(num_items, plan.tokenizer.num_levels))
    else:
        seen = edges if name != NO_GRAPH else np.zeros((2, 0), dtype=np.int64)
        kept = [modality for modality in catalogue.vectors if name != f"no {modality}"]
        codes = fit_tokenizer(
            {modality: catalogue.vectors[modality] for modality in kept},
            {modality: catalogue.present[modality] for modality in kept},
            seen,
            len(split.before),
            replace(plan.tokenizer, seed=seed),
        ).codes
    popularity = np.bincount(edges[1], minlength=num_items)
    return with_collision_tokens(catalogue.item_ids, codes, popularity).codes


def rows(found: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Means over users and seeds, and the difference to `all` with its interval, paired over users."""
    by_user = {name: np.mean([piece["ndcg"] for piece in pieces], axis=0) for name, pieces in found.items()}
    names = [name for name in by_user if name != ALL]
    differences = np.stack([by_user[name] - by_user[ALL] for name in names], axis=1)
    replicates = bootstrap_means(differences, resamples=10_000, seed=7)
    told = dict(zip(names, _intervals(replicates, differences), strict=True))
    return [
        {
            "variant": name,
            "ndcg@10": float(by_user[name].mean()),
            "by_seed": [float(np.mean(piece["ndcg"])) for piece in pieces],
            "cpu_seconds": float(np.mean([piece["cpu_seconds"] for piece in pieces])),
            **told.get(name, {}),
        }
        for name, pieces in found.items()
    ]


def _intervals(
    replicates: Float[np.ndarray, "B M"], differences: Float[np.ndarray, "U M"]
) -> Iterator[dict[str, float]]:
    for drawn, own in zip(replicates.T, differences.T, strict=True):
        lower, upper = interval(drawn, own)
        yield {"minus_all": float(own.mean()), "lower": lower, "upper": upper}


def _relation_switched(config: MMGRecConfig) -> MMGRecConfig:
    """Without the relation term; with it, where the preset has none."""
    on = 0 if config.mixer.relation_dim else MixerConfig(relation_dim=32).relation_dim
    return replace(config, mixer=replace(config.mixer, relation_dim=on))


def _settings(catalogue: Catalogue, plan: Plan) -> str:
    """Names data and plan but for the seeds: pieces of one name may stand in one table."""
    asked = {**asdict(plan), "tokenizer": plan.tokenizer.to_dict(), "seeds": []}
    shape = [catalogue.name, len(catalogue.item_ids), [len(own) for own in catalogue.items]]
    return digest_of([json.loads(json.dumps(asked)), shape])


def _piece_path(folder: Path, name: str, seed: int) -> Path:
    return folder / f"{name.replace(' ', '-').lower()}-{seed}.json"


def _read_piece(path: Path, settings: str) -> dict[str, Any] | None:
    """None if the piece is not there or was made under other settings."""
    if not path.is_file():
        return None
    piece: dict[str, Any] = json.loads(path.read_text())
    return piece if piece["settings"] == settings else None


def _done(path: Path, settings: str) -> dict[str, Any]:
    piece = _read_piece(path, settings)
    assert piece is not None
    return piece


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ablation", description=__doc__)
    parser.add_argument("data", nargs="?", help="a folder of events and items")
    parser.add_argument("--results", type=Path, help="where pieces are kept; none: thrown away")
    parser.add_argument("--pieces", type=int, help="make at most so many")
    asked = parser.parse_args()
    told = run(asked.data, results=asked.results, pieces=asked.pieces)
    print(json.dumps({"part": "ablation", **rounded(told)}), flush=True)


if __name__ == "__main__":
    main()
