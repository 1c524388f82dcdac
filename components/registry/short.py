"""Digests short for a reader; the whole one stands in a tag."""

from __future__ import annotations

import re

SHA256 = re.compile(r"[0-9a-f]{64}")
_CHARACTERS = 12
_DIGEST = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})(\+\w+)?")  # of a file or a commit, which may be marked


def short(text: str) -> str:
    """The first characters of a digest, with its mark if it has one; any other text as it is."""
    if not (found := _DIGEST.fullmatch(text)):
        return text
    return found[1][:_CHARACTERS] + (found[2] or "")
