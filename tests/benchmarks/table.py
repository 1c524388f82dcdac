"""The table of all runs: benchmarks.csv, benchmarks.png, and benchmarks.md between two markers.

Prose around the markers is kept. For a landed run the folder is `docs`.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.results import read_parts, read_runs
from tests.benchmarks.standing import Difference, Row, comparisons, rows_of
from tests.benchmarks.targets import Parts, Target, targets
from tests.benchmarks.verdict_table import PARTS as VERDICT
from tests.benchmarks.verdict_table import verdict_section

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
VERDICT_BEGIN, VERDICT_END = "<!-- verdict:begin -->", "<!-- verdict:end -->"
NAME = "benchmarks"
ABLATION = "ablation"
_NEW_PAGE = f"# Benchmarks\n\n{BEGIN}\n{END}\n"


class MarkersMissing(ValueError):
    """The page has no place for the table."""


def write_table(results: Path, folder: Path) -> dict[str, Any]:
    """Write the three files and say what stands in them.

    Raises MarkersMissing for a page without the two markers, UsersDiffer for runs that cannot be paired.
    """
    rows, parts = rows_of(read_runs(results)), read_parts(results)
    checked = targets(rows, parts)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{NAME}.md"
    before = page.read_text() if page.is_file() else _NEW_PAGE
    told = markdown(rows, comparisons(rows), checked, parts)
    page.write_text(between_markers(before, told, page))
    _write_csv(rows, folder / f"{NAME}.csv")
    if rows:
        from tests.benchmarks.picture import draw

        draw(rows, folder / f"{NAME}.png")
    verdicts = [target.verdict for target in checked]
    return {
        "rows": len(rows),
        **{verdict: verdicts.count(verdict) for verdict in ("met", "missed", "not measured")},
        "page": str(page),
    }


def between_markers(page: str, told: str, path: Path, begin: str = BEGIN, end: str = END) -> str:
    """The page with `told` between its markers, and all else as it was."""
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(end) < page.index(begin):
        raise MarkersMissing(
            f"{path}: needs one line {begin} and after it one line {end}; the table is written between them"
        )
    head, rest = page.split(begin)
    return f"{head}{begin}\n\n{told}\n{end}{rest.split(end)[1]}"


def write_verdict(results: Path, folder: Path) -> dict[str, Any]:
    """Write the figures of the gate into the page, between markers of their own. Raises MarkersMissing."""
    page = folder / f"{NAME}.md"
    told = "\n".join(verdict_section(read_parts(results)))
    page.write_text(between_markers(page.read_text(), told, page, VERDICT_BEGIN, VERDICT_END))
    return {"page": str(page)}


def markdown(
    rows: Sequence[Row], differences: Sequence[Difference], checked: Sequence[Target], parts: Parts
) -> str:
    told = []
    for data in sorted({row.data for row in rows}):
        here = [row for row in rows if row.data == data]
        told += [f"### {data}, {len(here[0].gains):,} users", "", *_accuracy(here), ""]
        paired = [one for one in differences if one.data == data]
        if paired:
            told += ["Paired by user, NDCG@10 `fil`, 95 %:", "", *_differences(paired), ""]
    if rows:
        told += [f"![NDCG@10 with intervals]({NAME}.png)", ""]
    told += ["### Targets", "", *_targets(checked), ""]
    others = {key: figures for key, figures in parts.items() if key[0] not in (*VERDICT, ABLATION)}
    for (part, data), figures in sorted(parts.items()):
        if part == ABLATION:
            told += [f"### Ablation, {data}, {figures['users']:,} users", "", *_ablation(figures["rows"]), ""]
    if others:
        told += ["### Other parts", ""]
        told += [f"- {part}, {data}: {_flat(figures)}" for (part, data), figures in sorted(others.items())]
        told += [""]
    return "\n".join(told)


def _accuracy(rows: Sequence[Row]) -> list[str]:
    head = [
        "arm", "seeds", "NDCG@10 fil", "95 %", "HR@10 fil", "NDCG@10 unf", "HR@10 unf",
        "training CPU s", "peak MB", "parameters", "users / CPU s",
    ]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "| --- | --- " + "| ---: " * (len(head) - 2) + "|"]
    for row in rows:
        cells = [
            f"{row.arm} (peer)" if row.is_peer else f"**{row.arm}**",
            str(len(row.seeds)),
            f"{row.ndcg.mean:.4f}",
            f"{row.ndcg.lower:.4f} – {row.ndcg.upper:.4f}",
            f"{row.hit_rate:.4f}",
            f"{row.ndcg_unf:.4f}",
            f"{row.hit_rate_unf:.4f}",
            f"{row.figures['training_cpu_seconds']:,.1f}",
            f"{row.figures['peak_mb']:,.0f}",
            f"{row.figures['parameters']:,.0f}",
            f"{row.figures['users_per_cpu_second']:,.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _differences(paired: Sequence[Difference]) -> list[str]:
    lines = ["| what | rows | difference | 95 % | ratio |", "| --- | --- | ---: | ---: | ---: |"]
    for one in paired:
        gap = one.difference
        lines.append(
            f"| {one.what} | {one.first} - {one.second} | {gap.mean:+.4f} | "
            f"{gap.lower:+.4f} – {gap.upper:+.4f} | {one.ratio:.3f} |"
        )
    return lines


def _targets(checked: Sequence[Target]) -> list[str]:
    lines = [
        "| target | data | rows (seeds) | measured | asked | |",
        "| --- | --- | --- | ---: | ---: | --- |",
    ]
    for target in checked:
        measured = "-" if target.value is None else f"{target.value:,.4g}"
        sign = "≤" if target.at_most else "≥"
        lines.append(
            f"| {target.what} | {target.data} | {target.note} | {measured} | {sign} {target.bound:,g} | "
            f"{target.verdict} |"
        )
    return lines


def _ablation(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Below zero, the part that was removed helps."""
    lines = ["| variant | NDCG@10 | minus `all` | 95 % | by seed |", "| --- | ---: | ---: | ---: | --- |"]
    for row in rows:
        seeds = " ".join(f"{value:.4f}" for value in row["by_seed"])
        gap = f"{row['minus_all']:+.4f}" if "minus_all" in row else ""
        bounds = f"{row['lower']:+.4f} – {row['upper']:+.4f}" if "lower" in row else ""
        lines.append(f"| {row['variant']} | {row['ndcg@10']:.4f} | {gap} | {bounds} | {seeds} |")
    return lines


def _flat(figures: Any) -> str:
    if isinstance(figures, dict):
        inner = [
            f"{key} ({_flat(value)})" if isinstance(value, dict) else f"{key} {_flat(value)}"
            for key, value in figures.items()
        ]
        return ", ".join(inner)
    return f"{figures:,.4g}" if isinstance(figures, float) else str(figures)


def _write_csv(rows: Sequence[Row], path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            cells = {
                "data": row.data,
                "arm": row.arm,
                "role": row.role,
                "codes": row.codes,
                "seeds": " ".join(map(str, row.seeds)),
                "users": len(row.gains),
                "ndcg10_fil": row.ndcg.mean,
                "ndcg10_fil_lower": row.ndcg.lower,
                "ndcg10_fil_upper": row.ndcg.upper,
                "hr10_fil": row.hit_rate,
                "ndcg10_unf": row.ndcg_unf,
                "hr10_unf": row.hit_rate_unf,
                **{name: row.figures.get(name) for name in _COSTS},
            }
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in cells.items()})


_COSTS = ("training_cpu_seconds", "codes_cpu_seconds", "peak_mb", "parameters", "users_per_cpu_second")
_COLUMNS = (
    "data", "arm", "role", "codes", "seeds", "users", "ndcg10_fil", "ndcg10_fil_lower", "ndcg10_fil_upper",
    "hr10_fil", "ndcg10_unf", "hr10_unf", *_COSTS,
)  # fmt: skip
