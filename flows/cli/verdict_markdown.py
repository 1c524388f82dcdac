"""Verdicts as markdown: the summary of a CI job, and the comment that it leaves on a pull request."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from flows.cycle_markdown import cycle_markdown
from flows.settings import LOOPBACK
from flows.summary import CycleSummary

MARKER = (
    "<!-- recloop verdict -->"  # the first line of a comment, by which the next run finds and replaces it
)


def verdicts_markdown(summaries: Iterable[CycleSummary]) -> str:
    """The marker, then one section a cycle, in the order given."""
    return "\n".join([MARKER, *(cycle_markdown(told, _shared(told)) for told in summaries)])


def _shared(told: CycleSummary) -> dict[str, str]:
    """Pages that others can open too; those of servers on the machine of the cycle are gone with it."""
    return {
        what: where
        for what, where in told.addresses.items()
        if urlsplit(where).scheme in ("http", "https")
        and urlsplit(where).hostname not in (LOOPBACK, "localhost")
    }
