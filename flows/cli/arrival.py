"""What is said of a batch: what has not arrived yet, and why rows were refused."""

from __future__ import annotations

from collections.abc import Mapping

from components.data.sources.opening import open_source
from flows.local.console import console
from flows.request import BatchRequest
from flows.settings import load_settings


def say_what_is_left(request: BatchRequest) -> None:
    """Events from `as_of` on have not arrived yet: say how many they are."""
    if request.as_of is None:
        return
    source = open_source(request.source, home=load_settings().sources)
    if later := len(source.read(since=request.as_of, until=None).events):
        console.print(
            f"{later:,} events are not earlier than --as-of {request.as_of:%Y-%m-%dT%H:%M:%S%z}: they are left for "
            "a later batch. Pass a later --as-of to take them now."
        )


def say_reasons(reasons: Mapping[str, int]) -> None:
    """Reason codes with their counts, a line each."""
    for reason, count in reasons.items():
        console.print(f"  {count:>6,}  {reason}")
