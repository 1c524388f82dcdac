"""A user out of published pages: the card that shows what one person did and was shown.

A page names users nowhere else. How many cards it says were drawn stays as it was.
"""

from __future__ import annotations

import html
import os
import re
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from components.report.text import clean, safe

KINDS = ("report", "replay")  # of artifacts that hold pages


def cards_of(page: str, user_id: str) -> int:
    """Cards of this user."""
    return len(_card(user_id).findall(page))


def page_without(page: str, user_id: str) -> str:
    """The page without the user's cards."""
    return _card(user_id).sub("", page)


def count_in_pages(folder: Path, user_id: str) -> int:
    """Cards of the user in the HTML pages of a folder and below it."""
    return sum(cards_of(path.read_text(encoding="utf-8"), user_id) for path in _pages(folder))


def forget_in_pages(folder: Path, user_id: str) -> None:
    """Remove them; each page is replaced whole. What a kill left aside goes too."""
    for aside in folder.rglob(".*.part"):
        aside.unlink()
    for path in _pages(folder):
        page = path.read_text(encoding="utf-8")
        if cards_of(page, user_id):
            aside = path.with_name(f".{uuid.uuid4().hex}.part")
            aside.write_text(page_without(page, user_id), encoding="utf-8")
            os.replace(aside, path)


FORGETTING: Mapping[str, tuple[Callable[[Path, str], int], Callable[[Path, str], None]]] = dict.fromkeys(
    KINDS, (count_in_pages, forget_in_pages)
)


def _pages(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.html") if path.is_file()) if folder.is_dir() else []


def _card(user_id: str) -> re.Pattern[str]:
    """`people` writes a card as one element that holds no other of its kind; older pages escaped quotes otherwise."""
    names = "|".join(re.escape(str(name)) for name in (safe(user_id), html.escape(clean(user_id))))
    return re.compile(rf'<details class="person" data-user="(?:{names})".*?</details>', re.DOTALL)
