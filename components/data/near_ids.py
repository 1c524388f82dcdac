"""Ids that look alike: what a person or a spreadsheet takes for one id, and a database does not."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection

_WHOLE_FLOAT = re.compile(r"([+-]?[0-9]{1,40})\.0{1,20}")
_MAX_COMPARED = 20_000  # known ids that a misspelt one is held against


def plain_form(text: str) -> str:
    """The id without what gets lost or added on the way: case, leading zeros, `.0`, blanks, composed accents."""
    start = text[:512]
    plain = (start.lower() if start.isascii() else unicodedata.normalize("NFKC", start).casefold()).strip()
    if whole := _WHOLE_FLOAT.fullmatch(plain):
        plain = whole[1]
    return (plain.lstrip("0") or "0") if plain.isascii() and plain.isdigit() else plain


def look_alikes(ids: Collection[str]) -> list[tuple[str, ...]]:
    """Groups of distinct ids that have one plain form, in order of appearance.

    Where all are ASCII and none look alike, as a rule in a large column, that is seen without a step of Python an id.
    """
    if _all_differ(ids):
        return []
    groups: dict[str, dict[str, None]] = {}
    for text in ids:
        groups.setdefault(plain_form(text), {})[text] = None
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _all_differ(ids: Collection[str]) -> bool:
    """Whether no two of the ids, all of them ASCII, can have one plain form."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pa.array(list(ids), type=pa.string())
    if not pc.all(pc.string_is_ascii(texts), min_count=0).as_py():
        return False
    plain = pc.utf8_trim_whitespace(pc.ascii_lower(pc.utf8_slice_codeunits(texts, 0, 512)))
    plain = pc.replace_substring_regex(plain, r"^([+-]?[0-9]{1,40})\.0{1,20}$", r"\1")
    plain = pc.replace_substring_regex(plain, r"^0+([0-9]+)$", r"\1")
    return len(pc.unique(plain)) == len(texts)


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
