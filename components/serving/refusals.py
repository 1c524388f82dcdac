"""Requests that are refused: each with a status, a code for programs, and a message for people."""

from __future__ import annotations


class RequestRefused(Exception):
    """Answered with `status` and a Refusal. `retry_after` in seconds, where coming again may help."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.retry_after = status, code, retry_after


def bad_request(message: str) -> RequestRefused:
    return RequestRefused(422, "invalid_request", message)


def stale_features(age_hours: float, limit_hours: float) -> RequestRefused:
    return RequestRefused(
        409,
        "stale_features",
        f"the features of this user are {age_hours:,.1f} h old, and {limit_hours:,.1f} h are accepted. "
        "`recloop retrain` brings fresh ones; RECLOOP_MAX_FEATURE_AGE_HOURS sets the limit; without refuse_stale "
        "the list is given and flagged.",
    )


def overloaded() -> RequestRefused:
    return RequestRefused(503, "overloaded", "too many requests wait; come again", retry_after=1)


def not_ready(problem: str) -> RequestRefused:
    told = f" ({problem})" if problem else ""
    return RequestRefused(503, "not_ready", f"no version is loaded yet{told}", retry_after=2)


def features_unreachable() -> RequestRefused:
    return RequestRefused(
        503,
        "features_unreachable",
        "the online store cannot be read; the server's log says why. A request with a history needs no store.",
        retry_after=2,
    )
