"""The pages' templates, and what fills them: jinja2, where text of others is escaped by where it stands.

Whatever a template is given is text, cleaned of what no page can hold and escaped, unless it is `Markup` that another
template made. A name that a template is not given is an error, not a gap.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from components.report.text import LONGEST, clean, share, span


def render(name: str, /, **values: Any) -> Markup:
    """The template `name`.html filled with these values."""
    return Markup(_environment().get_template(f"{name}.html").render(values))  # noqa: S704 - escaped by the template


def note(text: str) -> Markup:
    """A remark in small print."""
    return render("note", text=text)


def joined(parts: Iterable[Markup]) -> Markup:
    """Finished parts, one after the other."""
    return Markup("").join(parts)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("components.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters |= {"cut": clean, "share": share, "span": span}
    return environment


def _printable(value: Any) -> Any:
    """Text as a page can hold it; `cut` has shortened what is to be shorter than a paragraph."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return clean(value, len(value))


__all__ = ["LONGEST", "Markup", "joined", "note", "render"]
