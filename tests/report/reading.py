"""What a page draws, taken out of its HTML again."""

from __future__ import annotations

import json
import re

DRAWN = re.compile(r'<script type="application/json">(.*?)</script>')


RUNS = re.compile(r"<script>(.*?)</script>", re.S)


def drawn(text: str) -> list[dict]:
    return [json.loads(found) for found in DRAWN.findall(text)]


def color_names(value: object, key: str = "") -> set[str]:
    """What stands wherever plotly takes a colour."""
    if isinstance(value, dict):
        return set().union(*(color_names(entry, name) for name, entry in value.items()), set())
    if isinstance(value, list):
        return set().union(*(color_names(entry, key) for entry in value), set())
    return {value} if isinstance(value, str) and key.lower().endswith("color") else set()


def painted(value, key: str = ""):
    if isinstance(value, dict):
        return {name: painted(entry, name) for name, entry in value.items()}
    if isinstance(value, list):
        return [painted(entry, key) for entry in value]
    return "#123456" if isinstance(value, str) and key.lower().endswith("color") else value
