"""A page for each package of components, its modules in the order of their names, from their docstrings."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NOT_SHOWN = ("migrations",)


def api_pages() -> dict[str, str]:
    """Name of a page (data.sources) → its Markdown."""
    pages = {}
    for package in packages():
        name = ".".join(package.relative_to(ROOT / "components").parts)
        modules = "\n\n".join(f"::: {_dotted(module)}" for module in _modules(package))
        pages[name] = f"# components.{name}\n\n{_about(package / '__init__.py')}\n\n{modules}\n"
    return pages


def api_index() -> str:
    """A table of the pages."""
    rows = [f"| [components.{name}](api/{name}.md) | {_about(_init_of(name))} |" for name in api_pages()]
    return "\n".join(("| package | what |", "| --- | --- |", *rows))


def packages() -> list[Path]:
    """Folders of components that hold modules of their own."""
    found = sorted(path.parent for path in (ROOT / "components").rglob("__init__.py"))
    return [
        package for package in found
        if package != ROOT / "components" and not set(_NOT_SHOWN) & set(package.parts) and _modules(package)
    ]  # fmt: skip


def _modules(package: Path) -> list[Path]:
    return sorted(path for path in package.glob("*.py") if not path.name.startswith("_"))


def _dotted(module: Path) -> str:
    return ".".join(module.relative_to(ROOT).with_suffix("").parts)


def _init_of(name: str) -> Path:
    return ROOT / "components" / Path(*name.split(".")) / "__init__.py"


def _about(module: Path) -> str:
    """The first line of its docstring."""
    return (ast.get_docstring(ast.parse(module.read_text())) or "").split("\n")[0]
