"""The page at /: one picks a user or items and sees both versions' lists side by side. Nothing comes from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from components.serving.loaded import LoadedVersion
from components.serving.messages import FoundItem

PAGE_FILES: Mapping[str, str] = {
    "/": "text/html; charset=utf-8",
    "/page.css": "text/css; charset=utf-8",
    "/page.js": "text/javascript; charset=utf-8",
}
_HERE = Path(__file__).parent
_IMAGE_TYPES: Mapping[str, str] = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}


def page_file(path: str) -> bytes:
    """What stands under one of PAGE_FILES."""
    return (_HERE / ("page.html" if path == "/" else path.removeprefix("/"))).read_bytes()


def item_images(folder: Path | None) -> dict[str, tuple[Path, str]]:
    """Item → its picture and media type. The folder is listed, so no id can name a file outside it; nor may a link."""
    if folder is None or not folder.is_dir():
        return {}
    root = folder.resolve()
    found = sorted(
        path for path in folder.iterdir() if path.is_file() and path.resolve().is_relative_to(root)
    )
    return {
        path.stem: (path, _IMAGE_TYPES[path.suffix.lower()])
        for path in found
        if path.suffix.lower() in _IMAGE_TYPES
    }


def find_items(
    version: LoadedVersion, query: str, images: Mapping[str, object], *, limit: int
) -> list[FoundItem]:
    """Items whose title or id holds the text, shortest titles first."""
    wanted = query.casefold()
    hits = [
        (len(title), item_id, title)
        for item_id, title in version.titles.items()
        if wanted in title.casefold() or wanted == item_id.casefold()
    ]
    return [
        FoundItem(item_id=item_id, title=title, image=image_path(item_id, images))
        for _, item_id, title in sorted(hits)[:limit]
    ]


def image_path(item_id: str, images: Mapping[str, object]) -> str | None:
    return f"/images/{quote(item_id, safe='')}" if item_id in images else None
