"""Every crash point that stands in the code, and who strikes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.kills import STRUCK

_CHECKOUT = Path(__file__).resolve().parents[2]
_CALL = re.compile(r'crash_point\(f?"([^"]+)"\)')
_QUOTED = re.compile(r"""["']([^"'\n]+)["']""")


@dataclass(frozen=True, kw_only=True)
class Point:
    """A crash point; what stands in braces is filled in when the code comes by."""

    name: str
    is_here: bool
    tests: tuple[str, ...]  # files of tests that name it


def crash_points() -> list[Point]:
    named = {path: _words(path.read_text()) for path in sorted(_test_files())}
    names = sorted(set(_in_code()))
    found = []
    for name in names:
        others = "|".join(re.escape(other) for other in names if other != name)
        pattern = re.compile(f"(?!(?:{others})$)" + re.sub(r"\\\{.*?\\\}", ".+", re.escape(name)))
        found.append(
            Point(
                name=name,
                is_here=any(pattern.fullmatch(point) for point in STRUCK),
                tests=tuple(
                    str(path.relative_to(_CHECKOUT))
                    for path, words in named.items()
                    if any(pattern.fullmatch(word) for word in words)
                ),
            )
        )
    return found


def _in_code() -> Iterator[str]:
    for package in ("components", "flows"):
        for path in (_CHECKOUT / package).rglob("*.py"):
            if path.name != "faults.py":
                yield from _CALL.findall(path.read_text())


def _test_files() -> Iterator[Path]:
    here = Path(__file__).parent
    for path in (_CHECKOUT / "tests").rglob("*.py"):
        if here not in path.parents and re.search(r"CRASH_AT|crash_at|killed_at", path.read_text()):
            yield path


def _words(text: str) -> set[str]:
    """Quoted words, and for f"scoring:{step}" each of them behind its prefix."""
    words = set(_QUOTED.findall(text))
    prefixes = re.findall(r'f"([\w-]+:)\{\w+\}"', text)
    return words | {prefix + word for prefix in prefixes for word in words}
