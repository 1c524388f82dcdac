"""Every setting: type, bounds and default from the code; words and order from .env.example."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ENV_EXAMPLE = Path(__file__).resolve().parents[2] / ".env.example"
_ELSEWHERE = {  # what a default that is made from others is made of
    "artifacts": "`artifacts` in the home", "gx_root": "`gx` in the home", "feast_home": "`feast` in the home",
    "prefect_home": "`prefect` in the home", "events_spool": "`events` in the home",
    "exposures": "`exposures` in the home", "warehouse_url": "SQLite in the home", "threads": "every usable core",
    "actor": "the login name", "mlflow_tracking_uri": "a server that recloop starts",
    "prefect_api_url": "a server that recloop starts",
}  # fmt: skip


def setting_tables() -> str:
    """A section for each of .env.example's, with its words and a table of its settings."""
    fields = _by_variable()
    told: list[str] = []
    words: list[str] = []
    rows: list[str] = []
    for line in [*ENV_EXAMPLE.read_text().splitlines(), "# --- end ---"]:
        said = line.removeprefix("#").strip()
        if found := re.fullmatch(r"--- (.+?) -{3,}", said):
            told += _flush(words, rows)
            head = found[1].replace("`", "")
            told.append(f"## {head[0].upper()}{head[1:]}" if head != "end" else "")
        elif variable := re.match(r"([A-Z][A-Z0-9_]+)=", said):
            if variable[1] in fields:
                rows.append(_row(variable[1], *fields.pop(variable[1])))
        elif said:
            if rows:
                told += _flush(words, rows)
            words.append(said)
    if fields:
        raise LookupError(f".env.example lacks {', '.join(fields)}")
    return "\n\n".join(told)


def _flush(words: list[str], rows: list[str]) -> list[str]:
    """What was gathered so far, and both lists emptied."""
    told = [" ".join(words)] if words else []
    if rows:
        told.append("\n".join(("| variable | type | default |", "| --- | --- | --- |", *rows)))
    words.clear()
    rows.clear()
    return told


def _by_variable() -> dict[str, tuple[str, Any]]:
    """Environment variable → field of Settings."""
    from flows.settings import Settings

    found = {}
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        variable = getattr(alias, "choices", [alias])[0] if alias else f"RECLOOP_{name.upper()}"
        found[str(variable)] = (name, field)
    return found


def _row(variable: str, name: str, field: Any) -> str:
    kind = re.sub(
        r"typing\.|pathlib\._local\.|pathlib\.|pydantic\.types\.|<class '|'>", "", str(field.annotation)
    )
    kind = kind.replace("Optional[", "").replace("SecretStr", "secret").replace(" | None", "")
    kind = re.sub(
        r"Literal\[(.*?)\]", lambda found: found[1].replace("'", "").replace(", ", " or "), kind
    ).strip("]")
    bounds = ", ".join(
        f"{sign} {getattr(one, word):g}"
        for one in field.metadata
        for word, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        if getattr(one, word, None) is not None
    )
    default = _ELSEWHERE.get(name) or ("unset" if field.default in (None, "") else f"`{field.default}`")
    return f"| `{variable}` | {kind}{f', {bounds}' if bounds else ''} | {default} |"
