"""The section "The verdict" of the benchmark's page: level, power, looks and speed, from the kept figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.benchmarks.targets import Parts

PARTS = ("ranking", "bootstrap", "replay", "ranking_peers", "level", "intervals", "power", "sequential")


def verdict_section(parts: Parts) -> list[str]:
    """Lines of markdown; none where no part was run."""
    found = {part: figures for (part, _), figures in parts.items() if part in PARTS}
    if not found:
        return []
    told = []
    for part, section in (
        ("level", _level),
        ("intervals", _intervals),
        ("power", _power),
        ("sequential", _looks),
    ):
        if part in found:
            told += [*section(found[part]), ""]
    speed = {
        part: found[part] for part in ("ranking", "bootstrap", "replay", "ranking_peers") if part in found
    }
    return [*told, *_speed(speed), ""] if speed else told


def _level(figures: Mapping[str, Any]) -> list[str]:
    head = (
        "profile",
        "users",
        "world",
        "skewness",
        "zeros",
        "primary test alone",
        "95 %",
        "promoted",
        "95 %",
    )
    rows = [
        (
            row["profile"], f"{row['users']:,}", row["world"], f"{row['skewness']:+.1f}", f"{row['zero_share']:.2f}",
            f"{row['primary']:.4f}", _span(row, "primary"), f"{row['promoted']:.4f}", _span(row, "promoted"),
        )
        for row in figures["rows"]
    ]  # fmt: skip
    windows = figures["rows"][0]["windows"]
    return [
        f"**Level.** {windows:,} windows a row in which the challenger is not better; asked: an interval that "
        f"contains or lies below .025. Rows above it: {figures['rows_above_alpha']} of {len(rows)}.",
        "",
        *_lines(head, rows),
    ]


def _intervals(figures: Mapping[str, Any]) -> list[str]:
    kinds = ("percentile", "bca", "studentised")
    rows = [
        (
            row["world"],
            f"{row['users']:,}",
            f"{row['skewness']:+.1f}",
            *(f"{row[kind]:.4f}" for kind in kinds),
        )
        for row in figures["rows"]
    ]
    told = "**Why not the percentile bootstrap.** The primary test alone, by kind of interval; asked: .025."
    return [told, "", *_lines(("world", "users", "skewness", *kinds), rows)]


def _power(figures: Mapping[str, Any]) -> list[str]:
    if "announced_lower" not in figures["rows"][0]:
        return ["**Power** was kept by an earlier version: measure it again."]
    head = ("profile", "users", "world", "windows", "lift", "test alone: announced", "found", "gate: announced", "95 %",
            "promoted", "95 %")  # fmt: skip
    rows = [
        (
            row["profile"], f"{row['users']:,}", row["world"], f"{row['windows']:,}", f"{row['effect']:.4f}",
            f"{row['announced_primary']:.3f}", f"{row['primary']:.3f}", f"{row['announced']:.3f}",
            _span(row, "announced", ".3f"), f"{row['promoted']:.3f}", _span(row, "promoted", ".3f"),
        )
        for row in figures["rows"]
    ]  # fmt: skip
    told = (
        "**Power.** A planted lift of NDCG@10, all guarded figures level; announced is the mean of what the reports "
        "of such windows say. Rows whose announcement lies outside the interval of what was promoted: "
        f"{figures['rows_off_announced']} of {len(rows)}."
    )
    return [told, "", *_lines(head, rows)]


def _looks(figures: Mapping[str, Any]) -> list[str]:
    names = (
        "naive_every_user",
        "naive_20_looks",
        "fixed_n",
        "mixture_100",
        "mixture_500",
        "empirical_bernstein",
    )
    rows = [
        (row["stream"], *(f"{row[name]:.4f}" if name in row else "" for name in names))
        for row in figures["rows"]
    ]
    told = (
        f"**Looking again.** {figures['streams']:,} A/A streams of {figures['users']:,} users, alpha .05 two-sided, a "
        "look after every user (the mixture from 100 or 500 on)."
    )
    return [told, "", *_lines(("stream", *(name.replace("_", " ") for name in names)), rows)]


def _speed(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    asked = {"ranking": ("NDCG@10, 100,000 users × 100 places", 0.15),
             "bootstrap": ("10,000 resamples, 100,000 users, eight metrics", 5.0),
             "replay": ("replay of two arms on MovieLens-100K, decoding aside", 5.0)}  # fmt: skip
    rows = [
        (
            what,
            f"{found[part]['cpu_seconds_median']:.3f}",
            f"{found[part]['process_peak_mb']:,.0f}",
            f"≤ {most:g}",
        )
        for part, (what, most) in asked.items()
        if part in found
    ]
    told = [
        "**Speed.** CPU seconds of one thread, median.",
        "",
        *_lines(("what", "CPU s", "peak MB", "asked"), rows),
    ]
    if peers := {k: v for k, v in found.get("ranking_peers", {}).items() if "cpu_seconds" in k}:
        users = found["ranking_peers"]["users"]
        costs = ", ".join(
            f"{name.removesuffix('_cpu_seconds').replace('_', ' ')} {v:.3f}" for name, v in peers.items()
        )
        told += ["", f"NDCG@10 of {users:,} users × 100 places, CPU s: {costs}; all three values agree: "
                 f"{found['ranking_peers']['values_agree']}."]  # fmt: skip
    return told


def _span(row: Mapping[str, Any], what: str, form: str = ".4f") -> str:
    return f"{row[f'{what}_lower']:{form}} – {row[f'{what}_upper']:{form}}"


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = "| --- " + "| ---: " * (len(head) - 1) + "|"
    return (
        [f"| {' | '.join(cells)} |" for cells in (head,)]
        + [rule]
        + [f"| {' | '.join(row)} |" for row in rows]
    )
