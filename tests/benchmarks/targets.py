"""The targets of the benchmark, each with what was measured, beside what is asked: met, missed or missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.standing import REFERENCE, Row, best, compare

Parts = Mapping[tuple[str, str], Mapping[str, Any]]
MARGIN = {"ml100k": 0.010, "beauty": 0.002}  # of NDCG@10 below the dense control


@dataclass(frozen=True, kw_only=True)
class Target:
    what: str
    data: str
    value: float | None  # None: not measured
    bound: float
    at_most: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        met = self.value <= self.bound if self.at_most else self.value >= self.bound
        return "met" if met else "missed"


def targets(rows: Sequence[Row], parts: Parts) -> list[Target]:
    found = []
    for data in sorted({row.data for row in rows}):
        found += _accuracy(data, [row for row in rows if row.data == data])
    for data in ("films", "beauty"):
        found.append(_cold(data, parts.get(("cold_items", data), {})))
    throughput, top_ten = parts.get(("throughput", "beauty"), {}), parts.get(("top_ten", "beauty"), {})
    return [
        *found,
        Target(
            what="training, targets per CPU second over RecBole's",
            data="beauty",
            value=_ratio(throughput.get("sasrec"), throughput.get("recbole_sasrec")),
            bound=10,
            note=_later(throughput),
        ),
        Target(
            what="top 10 for all users, users per CPU second",
            data="beauty",
            value=top_ten.get("users_per_cpu_second"),
            bound=1_000,
        ),
        _memory([row for row in rows if row.data == "beauty"]),
        *_decoding(parts.get(("tiger_decoding", "made-up"), {})),
    ]


def _accuracy(data: str, rows: Sequence[Row]) -> list[Target]:
    peer, reference = best(rows, role="peer"), best(rows, arm=REFERENCE)
    semantic = best(rows, codes="semantic")
    generative = best(rows, role=("generative", "hybrid"))
    found = [
        _over("NDCG@10, semantic IDs over best peer", data, semantic, peer, 1.08),
        _over("NDCG@10, generative over best peer", data, generative, peer, 1.00),
        _over("NDCG@10, our SASRec over ref_sasrec", data, best(rows, arm="sasrec"), reference, 1.00),
    ]
    if data in MARGIN:
        control = best(rows, role="dense_control")
        both = generative is not None and control is not None
        found.append(
            Target(
                what="NDCG@10, generative - dense control, lower bound",
                data=data,
                value=compare("", generative, control).difference.lower if both else None,
                bound=-MARGIN[data],
                note=_named(generative, control),
            )
        )
    return found


def _over(what: str, data: str, ours: Row | None, theirs: Row | None, bound: float) -> Target:
    both = ours is not None and theirs is not None
    value = _ratio(ours.ndcg.mean, theirs.ndcg.mean) if both else None
    return Target(what=what, data=data, value=value, bound=bound, note=_named(ours, theirs))


def _named(ours: Row | None, theirs: Row | None) -> str:
    told = [f"{row.arm} ({len(row.seeds)})" if row else "-" for row in (ours, theirs)]
    return f"{told[0]} / {told[1]}"


def _cold(data: str, figures: Mapping[str, Any]) -> Target:
    """The best way to decode the generative arm against content neighbours, cold items as the candidates."""
    recall = figures.get("cold_candidates", {})
    ours = {name: value for name, value in recall.items() if name.startswith("mmgrec")}
    chosen = max(ours, key=ours.__getitem__, default=None)
    return Target(
        what="cold items, Recall@10, generative over content neighbours",
        data=data,
        value=_ratio(ours[chosen], recall.get("content_neighbours")) if chosen else None,
        bound=1.0,
        note=f"{chosen} / content_neighbours" if chosen else "",
    )


def _later(throughput: Mapping[str, Any]) -> str:
    """The same ratio by the targets that peers have too, beside a user's first event."""
    ratio = _ratio(throughput.get("sasrec_later"), throughput.get("recbole_sasrec"))
    return f"first events uncounted: {ratio:.2f}" if ratio else ""


def _memory(rows: Sequence[Row]) -> Target:
    ours = [row for row in rows if "training_peak_mb" in row.figures]
    worst = max(ours, key=lambda row: row.figures["training_peak_mb"], default=None)
    return Target(
        what="peak memory of training, GB",
        data="beauty",
        value=worst.figures["training_peak_mb"] / 1000 if worst else None,
        bound=1.5,
        at_most=True,
        note=worst.arm if worst else "",
    )


def _decoding(figures: Mapping[str, Any]) -> list[Target]:
    return [
        Target(
            what="trie-constrained beams, users a second over Hugging Face's",
            data=f"{size} size",
            value=figures.get(size, {}).get("wall_times_hf"),
            bound=bound,
        )
        for size, bound in (("small", 3.5), ("tiger", 10))
    ]


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None
