"""Addresses as they may be shown: without the password, however wrongly it is written.

A password with `@ : / ? #` in it that nobody has percent-encoded is read by every parser as something else, host or
path or query, and so is shown. Here the text decides, and hides too much where it is in doubt.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "***"
_OF_FILES = re.compile(r"sqlite(\+\w+)?:///", re.IGNORECASE)
_SCHEME = re.compile(r"[\w+.-]+://")
_PLACE = re.compile(r"(\[[^\]]*\]|[^:/?#\[\]]*)(:\d*)?([/?#]|$)")  # host, port, and what ends them
_SECRET_PARAMETER = re.compile(r"[?&][\w-]*(pass|pwd|secret|token|key)[\w-]*=", re.IGNORECASE)
_SHORTEST_TOLD = 3  # characters of a hidden piece: shorter ones stand in any message


def shown_address(url: str) -> str:
    """The same address with *** in place of a password, and of all that follows a parameter of a secret name."""
    return _parts(url)[0]


def without_secrets(message: str, url: str) -> str:
    """What somebody says of an address, without the pieces of it that are not shown."""
    hidden = _parts(url)[1]
    pieces = {
        *re.split(r"[@:/?#&=]", hidden),
        *re.split(r"[@:/?#&=]", unquote(hidden)),
        hidden,
        unquote(hidden),
    }
    for piece in sorted(pieces, key=len, reverse=True):
        if len(piece) >= _SHORTEST_TOLD:
            message = message.replace(piece, HIDDEN)
    return message


def _parts(url: str) -> tuple[str, str]:
    """What is shown, and what is hidden of it."""
    secret = _SECRET_PARAMETER.search(url)
    start, end = (url[: secret.end()], url[secret.end() :]) if secret else (url, "")
    tail = HIDDEN if end else ""
    if _OF_FILES.match(start):
        return start + tail, end
    scheme = match[0] if (match := _SCHEME.match(start)) else ""
    rest = start[len(scheme) :]
    if not scheme:  # nothing tells where a login would end
        before, at, after = rest.rpartition("@")
        if at or (":" in rest) or "@" in end:
            return (f"{HIDDEN}@{after}{tail}", before + end) if at and "@" not in end else (HIDDEN, url)
        return start + tail, end
    if "@" in end:  # the login may reach into what looks like a parameter
        return _hidden_from(scheme, rest, "", rest + end)
    before, at, after = rest.rpartition("@")
    if at:
        return _hidden_from(scheme, before, f"@{after}{tail}", before + end)
    return (start + tail, end) if _PLACE.match(rest) else _hidden_from(scheme, rest, "", rest + end)


def _hidden_from(scheme: str, login: str, after: str, hidden: str) -> tuple[str, str]:
    """A login up to its first colon."""
    user, colon, _ = login.partition(":")
    if not colon:
        return f"{scheme}{login}{after}" if after else f"{scheme}{HIDDEN}", hidden if not after else ""
    return f"{scheme}{user}:{HIDDEN}{after}", hidden[len(user) + 1 :]
