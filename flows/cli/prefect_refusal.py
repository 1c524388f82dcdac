"""A Prefect that does not answer, or answers that it failed, said in one message."""

from __future__ import annotations

import sys

_CHAIN = 3  # Prefect wraps what its client raised once or twice


class PrefectUnreachable(Exception):
    """Prefect was asked in vain: names its address, what came back, and the fix."""


def prefect_refusal(error: BaseException) -> PrefectUnreachable | None:
    """`error` as a message to a person; None if it is none of Prefect's.

    Only Prefect is asked by httpx: who never loaded it has not asked. An error that one of these led to, by a fault of
    ours, keeps its traceback.
    """
    if "httpx" not in sys.modules:
        return None
    found: BaseException | None = error
    for _ in range(_CHAIN):
        if found is None or (said := _said(found)):
            break
        found = found.__cause__
    if found is None or not said:
        return None
    from flows.settings import load_settings

    address = load_settings().prefect_api_url.removesuffix("/api")
    return PrefectUnreachable(
        f"Prefect at {address} {said}. Check that it runs (`recloop doctor` asks it) and that PREFECT_API_URL names "
        "it. What is finished is in the journal: run the same command again, and it goes on from there"
    )


def _said(error: BaseException) -> str:
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        answer, is_refused = error.response, error.response.status_code in (401, 403)
        if answer.status_code < 500 and not is_refused:
            return ""  # a request of ours that is wrong
        refused = "; PREFECT_API_AUTH_STRING says who asks" if is_refused else ""
        asked = f"{answer.request.method} {answer.request.url.path}"
        return f"answered {answer.status_code} to {asked}{refused}"
    if isinstance(error, httpx.TransportError):
        return f"does not answer ({error or type(error).__name__})"
    return ""
