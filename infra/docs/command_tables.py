"""Every command of `recloop` with its options, as the command line itself knows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from typer.main import get_command


def command_tables() -> str:
    from flows.cli.app import app

    return "\n\n".join(_told(("recloop",), get_command(app), 1))


def _told(path: tuple[str, ...], command: Any, level: int) -> Iterator[str]:
    """A heading, what it does, its options; then the same of its sub-commands."""
    if level > 1:
        yield f"{'#' * level} {' '.join(path)}"
        yield command.help or ""
    context = command.make_context(path[-1], [], resilient_parsing=True)
    shown = [p for p in command.get_params(context) if not getattr(p, "hidden", False) and p.name != "help"]
    if shown:
        rows = "\n".join(_row(parameter) for parameter in shown)
        yield f"| option | default | what |\n| --- | --- | --- |\n{rows}"
    for name, sub in getattr(command, "commands", {}).items():
        yield from _told((*path, name), sub, level + 1)


def _row(parameter: Any) -> str:
    """One line of a command's table."""
    names = [f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts)]
    if parameter.param_type_name == "argument":
        names = [f"`{(parameter.metavar or parameter.name).upper()}`"]
    asked = parameter.type_descriptor.annotation
    choices = get_args(asked) if get_origin(asked) is Literal else ()
    what = cell(getattr(parameter, "help", None) or "")
    if choices:
        what += f" ({', '.join(f'`{one}`' for one in choices)})"
    return f"| {', '.join(names)} | {_default(parameter)} | {what} |"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "needed"
    shown = getattr(parameter, "show_default", None)
    if isinstance(shown, str):
        return cell(shown)
    default = parameter.default
    if default is None or callable(default) or default in ((), [], ""):
        return ""
    if isinstance(default, bool):
        return "yes" if default else "no"
    return f"`{default}`"


def cell(text: str) -> str:
    """Text as a cell of a table takes it."""
    return " ".join(text.split()).replace("|", r"\|")
