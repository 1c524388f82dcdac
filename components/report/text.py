"""Text of others as a page can hold it, and numbers as a journal sets them."""

from __future__ import annotations

import math
import re

from markupsafe import Markup, escape

NOT_KNOWN = "–"
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_COUNTING = re.compile("[1-9]")
_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")
LONGEST = 160  # characters of a title


def clean(value: str, longest: int = LONGEST) -> str:
    """Without control characters and lone surrogates, which no page can hold, and of a readable length."""
    short = value if len(value) <= longest else value[: longest - 1] + "…"
    return _UNPRINTABLE.sub("\ufffd", short)


def safe(value: str, longest: int = LONGEST) -> Markup:
    """Clean, and with every sign of HTML escaped: as it stands in a page."""
    return escape(clean(value, longest))


def number(value: float | None, form: str = ".4f") -> str:
    """With a true minus sign, and none before a zero; a dash for what is missing or not finite."""
    if value is None or not math.isfinite(value):
        return NOT_KNOWN
    shown = format(value, form)
    if shown.startswith("-") and not _COUNTING.search(shown):
        shown = ("+" if form.startswith("+") else "") + shown[1:]
    return shown.replace("-", "−")


def p_value(p: float | None) -> str:
    """Three digits; what is below them says so instead of reading as none at all."""
    return "< 0.001" if p is not None and p < 0.001 else number(p, ".3f")


def level(alpha_one_sided: float) -> str:
    """The level of an interval whose ends are bounds at this alpha: 95 %."""
    return f"{100 * (1 - 2 * alpha_one_sided):.4g} %"


def told_level(alpha_one_sided: float) -> str:
    """Why an interval has this level, where it is not the usual 95 %; else ""."""
    if math.isclose(alpha_one_sided, 0.025):
        return ""
    return (
        f" The level is {level(alpha_one_sided)} since each end is the gate's one-sided bound at alpha "
        f"{alpha_one_sided:.4g}."
    )


def sentence(value: str, longest: int = 600) -> str:
    """A sentence of the gate, with the page's minus sign."""
    return _MINUS.sub("−", clean(value, longest))


def share(value: float | None) -> str:
    """0.123 as 12.3 %."""
    return NOT_KNOWN if value is None or not math.isfinite(value) else f"{number(100 * value, '.1f')} %"


def span(lower: float | None, upper: float | None, form: str = "+.4f") -> str:
    """An interval, both ends with their sign."""
    return f"[{number(lower, form)}, {number(upper, form)}]"
