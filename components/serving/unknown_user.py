"""A user of whom nothing is online, told with the nearest ids that are known. Loads no engine: told at once."""

from __future__ import annotations

import difflib
from collections.abc import Collection

_NEAREST = 3


class UnknownUser(Exception):
    """A user without features: names the nearest known ids, or how features come to be."""


def unknown_user(user_id: str, known_users: Collection[str]) -> UnknownUser:
    """The refusal; `known_users` are the ids of the warehouse."""
    if user_id in known_users:
        return UnknownUser(
            f"user {user_id!r} has events in the warehouse, but no features online yet. `recloop retrain` "
            "loads them for all users with events before its as_of."
        )
    near = difflib.get_close_matches(user_id, sorted(known_users), n=_NEAREST, cutoff=0.0)
    hint = f"Nearest known ids: {', '.join(near)}. " if near else ""
    return UnknownUser(
        f"no user {user_id!r} is known. {hint}Events of a new user come in by `recloop ingest`; then "
        "`recloop retrain` loads their features."
    )
