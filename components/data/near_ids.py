"""Ids that look alike: what a person or a spreadsheet takes for one id, and a database does not."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable

_WHOLE_FLOAT = re.compile(r"([+-]?[0-9]{1,40})\.0{1,20}")
_MAX_COMPARED = 20_000  # known ids that a misspelt one is held against


def plain_form(text: str) -> str:
    """The id without what gets lost or added on the way: case, leading zeros, `.0`, blanks, composed accents."""
    plain = unicodedata.normalize("NFKC", text[:512]).casefold().strip()
    if whole := _WHOLE_FLOAT.fullmatch(plain):
        plain = whole[1]
    return (plain.lstrip("0") or "0") if plain.isascii() and plain.isdigit() else plain


def look_alikes(ids: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of distinct ids that have one plain form, in order of appearance."""
    groups: dict[str, dict[str, None]] = {}
    for text in ids:
        groups.setdefault(plain_form(text), {})[text] = None
    return [tuple(group) for group in groups.values() if len(group) > 1]


def nearest_ids(unknown: Collection[str], known: Collection[str]) -> dict[str, str]:
    """Unknown id → the known one that it may mean, for those that have one."""
    by_form = {plain_form(text): text for text in known}
    compared = sorted(known)[:_MAX_COMPARED]
    found = {}
    for text in unknown:
        same = by_form.get(plain_form(text))
        close = [same] if same else difflib.get_close_matches(text[:64], compared, n=1, cutoff=0.75)
        if close:
            found[text] = close[0]
    return found
