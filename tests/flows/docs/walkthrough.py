"""A page of docs as steps to run: files to save, commands to give, and what the page says that they print.

A `console` block holds commands behind `$ ` and shown output; `…` alone stands for left-out lines, at an end for the
rest of a line. The comment before a block says otherwise: `<!-- not run: why -->`, `<!-- stays -->` (it ends with the
page), or `<!-- run on the finished home -->`. A `python` block with a title is a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

_BLOCK = re.compile(
    r'(?:^<!-- (?P<mark>[^>]+?) -->\n)?^```(?P<kind>console|python)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```',
    re.MULTILINE | re.DOTALL,
)
_CHANGES = (  # what no two runs have in common, each by its sign
    (re.compile(r"[│╭╮╰╯─]"), " "),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\dZ(?=  (promoted|rolled))"), "<now>"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "<digest>"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d+"), "<port>"),
    (re.compile(r"[+-]?\d+\.\d+"), "<figure>"),
)


@dataclass(frozen=True, kw_only=True)
class Step:
    kind: Literal["file", "command", "stays"]
    text: str  # of the file, or the command line
    name: str = ""  # of the file
    shown: tuple[str, ...] = ()  # lines that the page shows


def steps_of(page: str, *, marked: str | None = None) -> Iterator[Step]:
    """The steps in order; with `marked` those of blocks with this mark alone, else of all but those "not run"."""
    for block in _BLOCK.finditer(page):
        mark = block["mark"] or ""
        if (mark != marked) if marked else mark.startswith("not run"):
            continue
        if block["kind"] == "python":
            if block["title"]:
                yield Step(kind="file", name=block["title"], text=block["text"])
            continue
        for command, shown in _commands(block["text"].splitlines()):
            yield Step(kind="stays" if mark == "stays" else "command", text=command, shown=shown)


def _commands(lines: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    command, shown = "", []
    for line in lines:
        if line.startswith("$ "):
            if command:
                yield command, tuple(shown)
            command, shown = line[2:], []
        elif line.strip() != "…":
            shown.append(line)
    if command:
        yield command, tuple(shown)


def not_printed(shown: Iterable[str], printed: str) -> list[str]:
    """The shown lines that were not printed, in their order, whatever differs from run to run."""
    left = iter([alike(line) for line in printed.splitlines()])
    missing = []
    for line in shown:
        wanted, is_cut = alike(line.removesuffix("…")), line.endswith("…")
        if not any(found == wanted or (is_cut and found.startswith(wanted)) for found in left):
            missing.append(line)
            break  # nothing is left to look at
    return missing


def alike(line: str) -> str:
    """A line with what differs between two runs replaced, and blanks made one."""
    for pattern, sign in _CHANGES:
        line = pattern.sub(sign, line)
    return " ".join(line.split())
