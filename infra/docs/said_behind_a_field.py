"""A field's comment is its docstring here: this house says units and meaning behind a field, on its line."""

from __future__ import annotations

import ast
import io
import tokenize
from typing import Any

from griffe import Attribute, Docstring, Extension, ObjectNode


class SaidBehindAField(Extension):
    """For mkdocstrings: a field without a docstring takes the comment on its lines."""

    def on_attribute_instance(
        self, *, node: ast.AST | ObjectNode, attr: Attribute, agent: Any, **kwargs: Any
    ) -> None:
        if attr.docstring is None and attr.lineno and attr.parent is not None and attr.parent.is_class:
            said = comments_of("\n".join(attr.lines_collection[attr.filepath]))
            words = [
                said[line] for line in range(attr.lineno, (attr.endlineno or attr.lineno) + 1) if line in said
            ]
            if words:
                attr.docstring = Docstring(" ".join(words), lineno=attr.lineno, parent=attr)


_KNOWN: dict[str, dict[int, str]] = {}


def comments_of(source: str) -> dict[int, str]:
    """Line (from 1) → the comment at its end; directives to tools are none, nor are comments alone on a line."""
    if source not in _KNOWN:
        lines = source.splitlines()
        found = {}
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT and lines[token.start[0] - 1].strip() != token.string:
                said = token.string.lstrip("# ")
                if not said.startswith(("noqa", "type:", "fmt:", "pragma")):
                    found[token.start[0]] = said
        _KNOWN[source] = found
    return _KNOWN[source]
