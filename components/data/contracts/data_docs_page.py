"""The pages of Data Docs: plain HTML with its style inside, no script, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from components.data.contracts.outcome import BadRow, Outcome, Rule

_ROWS_SHOWN = 500
_SHORT = 12  # characters of a digest
_WORDS = {"accepted": "Accepted", "stopped": "Stopped"}
_UP = "../../../../index.html"  # from validations/<suite>/<run>/<time>/


@dataclass(frozen=True, kw_only=True)
class Check:
    """A validation, and where its page lies below the site's root."""

    outcome: Outcome
    page: str


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The front page."""

    checks: Sequence[Check]  # latest first
    suites: Sequence[tuple[str, str]]  # name, page


@dataclass(frozen=True, kw_only=True)
class SuiteSheet:
    name: str
    rules: Sequence[
        tuple[str, str, str]
    ]  # what is asked, of which column, reason code of a row that breaks it


def outcome_page(told: Outcome) -> str:
    """One validation: what became of the rows, which broke a rule, and all rules."""
    subject = told.subject
    title = f"{subject.rows} of {subject.batch}" if subject.batch else subject.rows
    body = [
        f'<p class="outcome {told.state}">{_WORDS[told.state]} <span>– {_text(told.told)}</span></p>',
        f"<h1>{_text(_capital(title))}</h1>",
        f'<p class="meta">{_meta(told)}</p>',
        _digest(subject.digest),
        _reasons(told),
        _rows(told),
        _rules(told),
    ]
    return _sheet(title=f"{_WORDS[told.state]}: {title}", up=_UP, body=body)


def listing_page(listing: Listing) -> str:
    """Every validation, the latest first, with its outcome."""
    rows = [
        (
            f'<a href="{_text(check.page)}">{_text(_capital(check.outcome.subject.rows))}'
            f"{_text(_of(check.outcome))}</a>",
            f'<span class="tone {check.outcome.state}">{_WORDS[check.outcome.state]}</span>',
            _text(check.outcome.told),
            _text(f"{check.outcome.at:%Y-%m-%d %H:%M:%S}Z"),
        )
        for check in listing.checks
    ]
    suites = "".join(f'<li><a href="{_text(page)}">{_text(name)}</a></li>' for name, page in listing.suites)
    body = [
        "<h1>Data Docs</h1>",
        '<p class="meta">What Great Expectations checked: every batch before it lands, and every item vector.</p>',
        _table("Validations, the latest first.", ("What", "Outcome", "Rows", "Checked"), rows),
        f"<h2>Rules</h2><ul>{suites}</ul>",
    ]
    return _sheet(title="Data Docs", up="", body=body)


def suite_page(suite: SuiteSheet) -> str:
    """The rules of a suite, as they were last asked."""
    rows = [(_text(text), _code(column), _code(reason)) for text, column, reason in suite.rules]
    body = [
        f"<h1>Rules of {_text(suite.name)}</h1>",
        _table("What is asked of every row.", ("Rule", "Column", "Reason code if broken"), rows),
    ]
    return _sheet(title=f"Rules of {suite.name}", up="../index.html", body=body)


def _meta(told: Outcome) -> str:
    parts = [f"checked {told.at:%Y-%m-%d %H:%M:%S}Z by Great Expectations", f"{len(told.rules)} rules"]
    if told.subject.limit < 1:
        parts.append(f"stops above {told.subject.limit:.1%} bad")
    return ", ".join(parts)


def _digest(digest: str) -> str:
    """Short, and whole for who asks."""
    if not digest:
        return ""
    shown = f"<summary>digest <code>{_text(digest[:_SHORT])}</code></summary><code>{_text(digest)}</code>"
    return f'<details class="meta">{shown}</details>'


def _reasons(told: Outcome) -> str:
    if not told.counts:
        return ""
    rules: dict[str, list[str]] = {}
    for rule in told.rules:
        if not rule.kept and rule.reason:
            rules.setdefault(rule.reason, []).append(rule.text)
    rows = [
        (_code(code), f"{count:,}", _text("; ".join(rules.get(code, ()))))
        for code, count in told.counts.items()
    ]
    return "<h2>Why</h2>" + _table(
        "Rows by reason; a row that breaks several rules counts at each.", ("Reason", "Rows", "Broken rule"), rows
    )  # fmt: skip


def _rows(told: Outcome) -> str:
    if not told.bad:
        return ""
    shown = told.bad[:_ROWS_SHOWN]
    names = list(dict.fromkeys(name for row in shown for name in row.names))
    first = f"the first {len(shown):,} of " if len(shown) < len(told.bad) else ""
    notes = [_QUARANTINE] if told.subject.aside == "quarantined" and told.state == "accepted" else []
    if any(row.names.get("source_row", "").startswith("-") for row in shown):
        notes.append(_POISONED)
    return f'<h2 id="rows">Which rows</h2>{"".join(notes)}' + _table(
        f"Rows that broke a rule: {first}{len(told.bad):,}.",
        (*map(_words, names), "Reasons"),
        (_row(row, names) for row in shown),
    )


def _row(row: BadRow, names: Sequence[str]) -> tuple[str, ...]:
    return (
        *(_text(row.names.get(name, "")) for name in names),
        " ".join(_code(code) for code in row.reasons),
    )


def _rules(told: Outcome) -> str:
    rows = [
        (_text(rule.text), _code(rule.column), f"{rule.num_seen:,}" if rule.num_seen else "", _kept(rule))
        for rule in told.rules
    ]
    return "<h2>All rules</h2>" + _table(
        "What was asked of every row.", ("Rule", "Column", "Rows asked", "Outcome"), rows
    )


def _kept(rule: Rule) -> str:
    if rule.kept and not rule.num_broken:
        return '<span class="tone accepted">kept</span>'
    if rule.kept:
        return f'<span class="tone accepted">{rule.num_broken:,} rows, within the limit</span>'
    return f'<span class="tone aside">broken by {rule.num_broken:,}</span>'


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are finished HTML; on a phone each carries its column's name."""
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in heads)
    body = "".join(
        "<tr>"
        + "".join(f'<td data-head="{_text(name)}">{cell}</td>' for name, cell in zip(heads, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<table><caption>{_text(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _sheet(*, title: str, up: str, body: Iterable[str]) -> str:
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _PAGE.substitute(
        title=_text(title),
        digest=digest,
        style=style,
        up=f'<nav aria-label="Data Docs"><a href="{up}">All of Data Docs</a></nav>' if up else "",
        body="\n".join(body),
    )


_QUARANTINE = (
    '<p class="note">Their values stand in the quarantine, not here: <code>recloop quarantine list</code> shows them, '
    "and <code>recloop quarantine release</code> lands those that are repaired.</p>"
)
_POISONED = (
    '<p class="note">A negative row lies in no file: it was spoiled on purpose, to see what happens.</p>'
)
_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-$digest'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>$title</title>
<style>$style</style>
</head>
<body>
$up
<main>
$body
</main>
</body>
</html>
""")


@cache
def _style() -> str:
    return (files("components.data.contracts") / "data_docs.css").read_text(encoding="utf-8")


def _of(told: Outcome) -> str:
    return f" of {told.subject.batch}" if told.subject.batch else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _words(name: str) -> str:
    return _capital(name.replace("_", " "))


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>" if text else ""


def _text(text: str) -> str:
    """Escaped; what no page can hold, such as NUL or a lone surrogate, as its escape."""
    shown = text.encode("utf-8", "backslashreplace").decode()
    return escape("".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in shown))
