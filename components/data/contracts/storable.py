"""What text a database can hold."""

from __future__ import annotations

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # NUL and lone surrogates: no UTF-8 text, no PostgreSQL text


def is_storable(text: str) -> bool:
    """Whether it is UTF-8 without NUL."""
    return _UNSTORABLE.search(text) is None
