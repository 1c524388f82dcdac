"""Commands that are made when they are called: to read the options of all of them costs more than most commands do."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, kw_only=True)
class Deferred:
    """A command before it is made: what `--help` of the whole says of it, and how it is made."""

    name: str
    help: str
    make: Callable[[], Any]

    @property
    def shown(self) -> TyperCommand:
        """Without options: enough to be listed."""
        return TyperCommand(self.name, help=inspect.cleandoc(self.help), rich_markup_mode=None)


class DeferredCommands(MutableMapping[str, Any]):
    """Name → command, made at the first look and kept."""

    def __init__(self, deferred: tuple[Deferred, ...]) -> None:
        self._deferred = {one.name: one for one in deferred}
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._deferred[name].make()
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._deferred

    def __iter__(self) -> Iterator[str]:
        return iter(self._deferred)

    def __len__(self) -> int:
        return len(self._deferred)

    def __setitem__(self, name: str, command: Any) -> None:
        self._deferred[name] = Deferred(name=name, help=command.help or "", make=lambda: command)
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._deferred[name]

    def shown(self) -> dict[str, Any]:
        """All of them, for a list."""
        return {name: one.shown for name, one in self._deferred.items()}


class Listing(TyperGroup):
    """Lists its commands with all of what each says first, over as many lines as it takes."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, (self.commands[name].help or "").split("\n\n")[0])
                    for name in self.list_commands(ctx)
                ]
            )


def group_of(deferred: tuple[Deferred, ...]) -> type[TyperGroup]:
    """The class of a group of these commands, in this order."""

    class Group(Listing):
        def __init__(self, **told: Any) -> None:
            super().__init__(**told | {"commands": DeferredCommands(deferred)})

        def list_commands(self, ctx: Any) -> list[str]:
            return list(self.commands)

        def format_help(self, ctx: Any, formatter: Any) -> None:
            made = self.commands
            assert isinstance(made, DeferredCommands)
            self.commands = made.shown()
            try:
                super().format_help(ctx, formatter)
            finally:
                self.commands = made

    return Group
