"""What Prefect's page of a run draws between its tasks: an edge from whoever made a thing to whoever takes it.

Prefect knows the maker of what a task or flow gave, and of what lies one layer deep in it. Stages give results that
hold references to artifacts, deeper than that: without this the page shows half of the edges.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from prefect.context import FlowRunContext
from prefect.utilities.engine import get_state_for_result

T = TypeVar("T")


def linked(result: T) -> T:
    """The same result, of which every part now counts as made by the same task or flow; outside of a run, itself.

    A part that was made by somebody else keeps its maker.
    """
    context, made = FlowRunContext.get(), get_state_for_result(result)
    if context is not None and made is not None:
        for part in _parts(result):
            if get_state_for_result(part) is None:
                context.run_results[id(part)] = (*made, weakref.ref(part))
    return result


def _parts(value: Any) -> Iterator[Any]:
    """Every dataclass within; text and numbers are shared by who made nothing in common, and say nothing."""
    if is_dataclass(value) and not isinstance(value, type):
        yield value
        for part in fields(value):
            yield from _parts(getattr(value, part.name))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _parts(part)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for part in value:
            yield from _parts(part)
