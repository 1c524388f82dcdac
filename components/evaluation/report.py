"""The replay report: one HTML page without network, for a person who must trust or doubt the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from components.evaluation.comparison import Comparison
from components.evaluation.gate import NonInferiority
from components.evaluation.plan import ReplayPlan
from components.evaluation.replay import ReplayResult, canonical_for

SHOWN_PLACES = 10
SHOWN_HISTORY = 10


def render_report(
    result: ReplayResult,
    plan: ReplayPlan,
    lists: Mapping[str, np.ndarray],
    titles: Mapping[str, str],
    *,
    num_people: int = 20,
    seed: int = 7,
) -> str:
    """The page. `titles` maps item ids to titles (an id without one stands for itself); all text is escaped.

    People are drawn by `seed`; of each, one request is drawn.
    """
    body = "\n".join(
        [
            _verdict(result),
            _heading("What was checked", _checks(result)),
            _heading("The arms", _arms(result)),
            _heading("Differences, user by user", _forest(result)),
            _heading("Slices", _slices(result)),
            _heading("Latency", _latency(result)) if result.latency else "",
            _heading(
                "Lists a person can judge",
                _people(result, plan, lists, titles, num_people=num_people, seed=seed),
            ),
            _heading("Where this comes from", _provenance(result)),
        ]
    )
    page = Template(Path(__file__).with_name("report.html").read_text(encoding="utf-8"))
    return page.substitute(
        title=f"{result.outcome}: offline replay of {escape(result.challenger)}", body=body
    )


def _verdict(result: ReplayResult) -> str:
    against = f"against {escape(result.champion)}" if result.champion else "with no champion yet"
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in result.reasons)
    return (
        '<p class="soft">Offline replay: agreement with what users did, not lift</p>'
        f'<section class="verdict {result.outcome}"><strong>{result.outcome}</strong>'
        f"<h1>{escape(result.challenger)} {against}</h1><ul>{reasons}</ul></section>"
    )


def _heading(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{content}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells come as finished HTML: `<td>…`."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _text(value: str) -> str:
    return f"<td>{escape(value)}</td>"


def _number(value: float, form: str = ".4f", below: str = "") -> str:
    shown = format(value, form) if math.isfinite(value) else "–"
    return f'<td class="n">{shown}{f"<br><small>{below}</small>" if below else ""}</td>'


def _checks(result: ReplayResult) -> str:
    rows = [
        (f'<td class="mark {c.result.split()[0]}">{c.result}</td>', _text(c.name), _text(c.reason))
        for c in result.verdict.checks
    ]
    if result.latency_check:
        word = "passed" if result.latency_check.is_passed else "failed"
        rows.append(
            (f'<td class="mark {word}">{word}</td>', _text("latency"), _text(result.latency_check.reason))
        )
    return _table(["", "check", "what was found"], rows)


def _arms(result: ReplayResult) -> str:
    metrics = list(dict.fromkeys(figure.metric for figure in result.arms))
    figures = {(figure.arm, figure.metric): figure for figure in result.arms}
    extra = list(next(iter(result.list_figures.values()), {}))
    rows = []
    for arm in dict.fromkeys(figure.arm for figure in result.arms):
        cells = [_text(arm)]
        for metric in metrics:
            figure = figures[arm, metric]
            cells.append(_number(figure.mean, below=f"{figure.lower:.4f} – {figure.upper:.4f}"))
        cells += [_number(result.list_figures[arm][name], ".3g") for name in extra]
        rows.append(cells)
    return _table(["arm", *metrics, *extra], rows)


def _forest(result: ReplayResult) -> str:
    """Each comparison's difference and interval about zero, with the margins of its guardrails."""
    drawn = [c for c in result.comparisons if c.is_finite]
    if not drawn:
        return '<p class="soft">Nothing could be compared.</p>'
    margins = {g.metric: g.margin for g in result.profile.required if isinstance(g, NonInferiority)}
    ends = [0.0, *(c.lower for c in drawn), *(c.upper for c in drawn)]
    ends += [-margin for margin in margins.values() if result.champion]
    low, high = min(ends), max(ends)
    room = (high - low) * 0.06 or 0.01
    low, high = low - room, high + room
    left, width, step = 330, 520, 24

    def x(value: float) -> float:
        return round(left + width * (value - low) / (high - low), 1)

    marks, y, previous = [], 20, ""
    for c in drawn:
        if c.baseline != previous:
            y += 14
            marks.append(f'<text x="16" y="{y}" class="soft">minus {escape(c.baseline)}</text>')
            y, previous = y + step, c.baseline
        tone = "passed" if c.lower > 0 else "failed" if c.upper < 0 else "unproven"
        marks.append(
            f'<g class="{tone}"><text x="32" y="{y + 4}">{escape(c.metric)}</text>'
            f'<line class="ci" x1="{x(c.lower)}" x2="{x(c.upper)}" y1="{y}" y2="{y}"/>'
            f'<circle class="dot" cx="{x(c.delta)}" cy="{y}" r="4.5"/>'
            f'<text x="{left + width + 20}" y="{y + 4}">{c.delta:+.4f}</text>'
            f'<text x="{left - 20}" y="{y + 4}" text-anchor="end" class="soft">{c.n:,} users</text></g>'
        )
        if c.baseline == result.champion and c.metric in margins:
            at = x(-margins[c.metric])
            marks.append(f'<line class="margin" x1="{at}" x2="{at}" y1="{y - 9}" y2="{y + 9}"/>')
        y += step
    axis = "".join(
        f'<line class="axis" x1="{x(t)}" x2="{x(t)}" y1="16" y2="{y}"/>'
        f'<text x="{x(t)}" y="{y + 18}" text-anchor="middle" class="soft">{t:+.3f}</text>'
        for t in np.linspace(low + room, high - room, 5)
    )
    zero = f'<line class="zero" x1="{x(0)}" x2="{x(0)}" y1="16" y2="{y}"/>'
    level = 100 * (1 - 2 * result.profile.primary.alpha_one_sided)
    return (
        f'<svg viewBox="0 0 960 {y + 34}" role="img" aria-label="Differences with intervals">{axis}{zero}'
        f"{''.join(marks)}</svg>"
        f'<p class="soft">{escape(result.challenger)} minus each arm, mean over users with its {level:g} % '
        "bootstrap interval; right of the line is better. A dashed line is the margin of a guardrail.</p>"
    )


def _slices(result: ReplayResult) -> str:
    least = result.profile.validity.min_slice_users

    def row(c: Comparison) -> list[str]:
        figures = f'<td class="n">{c.delta:+.4f} <small>{c.lower:+.4f} – {c.upper:+.4f}</small></td>'
        too_few = f"<td>not evaluable: fewer than {least} users</td>"
        cells = [_text(c.slice), _text(c.metric), _text(c.baseline), _number(c.n, "d")]
        return [*cells, too_few if c.n < least else figures]

    chosen = [c for c in result.slices if c.metric in result.profile.user_metrics]
    return _table(["slice", "metric", "minus", "users", "difference"], [row(c) for c in chosen])


def _latency(result: ReplayResult) -> str:
    rows = [
        (_text(arm), _number(f.p50, ".2f"), _number(f.p95, ".2f"), _number(f.p99, ".2f"),
         _number(f.batch_size, "d"), _number(f.batches, "d"))
        for arm, f in sorted((result.latency or {}).items())
    ]  # fmt: skip
    return _table(["arm", "p50 ms", "p95 ms", "p99 ms", "users a batch", "batches"], rows)


def _people(
    result: ReplayResult,
    plan: ReplayPlan,
    lists: Mapping[str, np.ndarray],
    titles: Mapping[str, str],
    *,
    num_people: int,
    seed: int,
) -> str:
    generator = np.random.default_rng(seed)
    people = np.sort(generator.permutation(len(plan.users))[:num_people])
    rivals = [result.champion] if result.champion else [a for a in result.profile.must_beat if a in lists]
    arms = [result.challenger, *rivals]
    judged = {arm: canonical_for(plan, lists[arm]) for arm in arms}

    def entries(items: Iterable[int], truth: frozenset[int] = frozenset()) -> str:
        ids = [(int(i), str(plan.catalogue[i])) for i in items if i >= 0]
        return "".join(
            f"<li{' class=hit' if i in truth else ''}>{escape(titles.get(item) or item)}</li>"
            for i, item in ids
        )

    cards = []
    for person in people:
        request = int(generator.choice(np.flatnonzero(plan.user == person)))
        start, end = int(plan.start[request]), int(plan.end[request])
        truth = frozenset(
            plan.truth_items[plan.truth_offsets[request] : plan.truth_offsets[request + 1]].tolist()
        )
        history = plan.items[max(start, end - SHOWN_HISTORY) : end][::-1]
        tops = {arm: judged[arm][request, :SHOWN_PLACES] for arm in arms}
        hits = ", ".join(f"{escape(arm)} {len(truth & set(top.tolist()))}" for arm, top in tops.items())
        columns = [
            f"<div><h3>Before, latest first ({end - start})</h3><ul>{entries(history)}</ul></div>",
            f"<div><h3>What came next</h3><ul>{entries(sorted(truth))}</ul></div>",
            *(
                f"<div><h3>{escape(arm)}</h3><ol>{entries(top, truth)}</ol></div>"
                for arm, top in tops.items()
            ),
        ]
        cards.append(
            f"<details><summary>User {escape(str(plan.users[person]))} "
            f'<span class="soft">hits: {hits}</span></summary>'
            f'<div class="lists">{"".join(columns)}</div></details>'
        )
    note = (
        f'<p class="soft">{len(people)} users drawn with seed {seed}, one request each; hits are marked.</p>'
    )
    return note + "".join(cards)


def _provenance(result: ReplayResult) -> str:
    facts = {
        "cut (weights frozen)": result.cut.isoformat(),
        "window ends": result.window_end.isoformat(),
        "mode": result.mode,
        **{name.replace("_", " "): f"{value:,}" for name, value in result.plan_counts.items()},
        **{f"places dropped from {arm}": f"{n:,}" for arm, n in sorted(result.dropped_places.items())},
        "detectable effect": f"{result.satisfiability.detectable_effect:.4f}"
        if result.satisfiability.detectable_effect is not None
        else "–",
        "gate profile": f"{result.profile.name} ({result.gate_hash})",
        "data digest": result.data_digest,
        "replay digest": result.digest,
        **{f"artefact of {arm}": digest for arm, digest in sorted(result.digests.items())},
    }
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items()) + "</dl>"
