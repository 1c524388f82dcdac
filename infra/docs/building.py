"""MkDocs' hook: what a page leaves to the build is written into it from the code, so that it cannot go stale.

A page says `<!-- the build writes: commands -->` where a table of `PARTS` belongs; the API pages are made whole. A link
that leaves docs/ works on a forge; the site holds no such file, so there it is its text alone.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # MkDocs loads a hook by its path

from infra.docs.api_pages import api_index, api_pages  # noqa: E402
from infra.docs.command_tables import command_tables  # noqa: E402
from infra.docs.reason_tables import quarantine_codes, verdict_codes  # noqa: E402
from infra.docs.setting_tables import setting_tables  # noqa: E402
from infra.docs.stored_columns import evidence_fields, warehouse_tables  # noqa: E402

PARTS = {
    "commands": command_tables,
    "settings": setting_tables,
    "warehouse": warehouse_tables,
    "evidence": evidence_fields,
    "quarantine codes": quarantine_codes,
    "verdict codes": verdict_codes,
    "api": api_index,
}
_PART = re.compile(r"^<!-- the build writes: (.+?) -->$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?:\.\./)+[^)#\s]+)(?:#[^)\s]*)?\)")


def on_files(files: Files, config: Any, **_: Any) -> Files:
    for name, text in api_pages().items():
        files.append(File.generated(config, f"reference/api/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    written = _PART.sub(lambda found: PARTS[found[1]](), markdown)
    return without_ways_out(written, PurePosixPath(page.file.src_uri))


def without_ways_out(markdown: str, page: PurePosixPath) -> str:
    """The page with links to files outside docs/ as text. Raises FileNotFoundError for one that leads nowhere."""

    def said(found: re.Match[str]) -> str:
        target = (ROOT / "docs" / page.parent / found[2]).resolve()
        if target.is_relative_to(ROOT / "docs"):
            return found[0]
        if not target.exists():
            raise FileNotFoundError(f"docs/{page}: {found[2]} is no file of the repository")
        return found[1]

    return _LINK.sub(said, markdown)
