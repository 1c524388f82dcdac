"""The sheet that every report is set on: one file, readable without a network, in light and in dark.

Plotly's bundle is inlined once. The page's security policy lets only the two scripts run whose digests it
names, and lets nothing be loaded: a title that slipped through as markup could neither run nor call home.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from markupsafe import Markup

from components.report.templates import render

_BUNDLE_BEGINS = "</main>\n<script>"  # as page.html has it
CLAIM = "Offline replay: agreement with what users did, not lift."


@dataclass(frozen=True, kw_only=True)
class Section:
    """One numbered part. `body` is text, or what templates made of tables, figures and text."""

    anchor: str
    title: str
    body: str


def page(
    *,
    title: str,
    claim: str,
    header: Markup,
    sections: Iterable[Section],
    style: str = "",
    has_figures: bool = True,
) -> str:
    """The file's text. `claim` says what the page may and may not be read for; it stands above all else.

    `header` is `Markup` with the page's h1, `style` more CSS, such as pictures that are used often. A page
    without figures leaves plotly's 4.8 MB out.
    """
    plotly, script = _plotly() if has_figures else "", _own("page.js")
    filled = render(
        "page",
        title=title,
        scripts=Markup(" ".join(_digest(one) for one in (plotly, script) if one)),  # noqa: S704 - digests
        style=Markup(_own("page.css") + style),  # noqa: S704 - our own CSS, and images as base64
        claim=claim,
        header=header,
        sections=list(sections),
        bundle=Markup(plotly),  # noqa: S704 - plotly's own
        script=Markup(script),  # noqa: S704 - ours
    )
    return str(filled)  # a file's text: nothing that is put into it later is to be escaped


@dataclass(frozen=True, kw_only=True)
class SharedPage:
    """A page among others of its folder, which hold one copy of plotly's bundle between them."""

    text: str
    script_name: str
    script: str


def shared(text: str) -> SharedPage:
    """The same page with plotly's bundle beside it: a hundredth of its size, and no longer a file on its own.

    `text` is what `page` gave. Raises ValueError for other text.
    """
    before, begin, rest = text.partition(_BUNDLE_BEGINS)
    bundle, end, after = rest.partition("</script>")
    if not (begin and end and "<script>" in after):  # its own script is the last
        raise ValueError("not a page with figures: no bundle stands after its main part")
    name = f"plotly-{hashlib.sha256(bundle.encode()).hexdigest()[:12]}.js"
    # a page opened from a disk has no origin that 'self' could mean
    allowed = before.replace(_digest(bundle), "'self' file:", 1)
    marked = _BUNDLE_BEGINS.replace("<script>", f'<script src="{name}">')
    return SharedPage(text=allowed + marked + end + after, script_name=name, script=bundle)


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs  # importing plotly takes a second that only a report should pay

    return get_plotlyjs()


@cache
def _own(name: str) -> str:
    return (files("components.report") / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """As a content security policy names a script that may run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
