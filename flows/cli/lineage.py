"""`recloop lineage`: from a version, an item or a recommended item back to the commit and the batches."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Json

if TYPE_CHECKING:
    from rich.tree import Tree

    from components.registry.lineage import Origin

_BATCHES_SHOWN = 5


def lineage(
    version: Annotated[str | None, typer.Option(help="a registered version; default: the champion")] = None,
    item: Annotated[str | None, typer.Option(help="an item, as in the source")] = None,
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="with --item: as it was recommended to this user")
    ] = None,
    as_json: Json = False,
) -> None:
    """Walk back from a version, an item, or an item that a user was recommended, to batches and commit."""
    from flows.cli.registry import registry
    from flows.local.console import console, say_json
    from flows.settings import load_settings
    from flows.warehouse import warehouse

    if user is not None and item is None:
        raise typer.BadParameter("say which item of the user's list: --item")
    with registry() as model_name:
        from components.registry import lineage, versions
        from components.registry.bundle import open_bundle

        if user is not None and item is not None:
            found = lineage.lineage_of_recommendation(warehouse(), model_name, user, item)
        else:
            version = version or versions.require_champion(model_name).version
            if item is None:
                found = lineage.lineage(model_name, version, warehouse())
            else:
                bundle = versions.download_bundle(model_name, version, load_settings().artifacts)
                found = lineage.lineage_of_item(warehouse(), item, open_bundle(bundle.path))
    if as_json:
        say_json(asdict(found))
    else:
        console.print(_tree(found))


def _tree(origin: Origin, within: Tree | None = None) -> Tree:
    from rich.markup import escape
    from rich.tree import Tree

    note = f"  [dim]{escape(origin.note)}[/dim]" if origin.note else ""
    line = f"{origin.kind.replace('_', ' ')} {escape(origin.id)}{note}"
    node = Tree(line) if within is None else within.add(line)
    batches = [part for part in origin.made_from if part.kind == "batch"]
    hidden = batches[:-_BATCHES_SHOWN]
    if hidden:
        node.add(f"[dim]{len(hidden)} earlier batches[/dim]")
    for part in origin.made_from:
        if part not in hidden:
            _tree(part, node)
    return node
