"""`recloop score`: one version's lists for everybody, served once all of them are written."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import moment_option

if TYPE_CHECKING:
    from flows.recommend_batch import ScoredBatch


def score(
    version: Annotated[
        str | None, typer.Option(help="a registered version; default: the one that --alias names")
    ] = None,
    alias: Annotated[str, typer.Option(help="resolved once, when the run begins")] = "champion",
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="places of a list")] = 10,
    as_of: Annotated[
        datetime | None,
        moment_option("what counts as known; default: as far as the data reaches"),
    ] = None,
) -> None:
    """Score everybody in batch: parquet, warehouse and online store, then served all at once.

    Killed, it is run again and goes on. Asked again with nothing new, it changes nothing.
    """
    from flows.cli.registry import registry
    from flows.local.console import dimmed
    from flows.local.servers import running_servers
    from flows.settings import load_settings

    with registry() as model_name:  # without a version there is no need to start servers
        from components.registry import versions

        if version is None:
            versions.require_alias(model_name, alias)
        else:
            versions.get_version(model_name, version)
    with running_servers(load_settings(), dimmed, loading="flows.recommend_batch"):
        from flows.recommend_batch import ScoringRequest, recommend_batch

        _say(recommend_batch(ScoringRequest(version=version, alias=alias, k=k, as_of=as_of)))


def _say(done: ScoredBatch) -> None:
    """The closing lines."""
    from flows.local.console import console

    figures, new = done.figures, done.new_items
    rate = (
        "" if done.reused else f", {figures.num_users / max(done.cpu_seconds, 1e-9):,.0f} users a CPU second"
    )
    again = "these lists had been made before; " if done.reused else ""
    lines = (
        f"{again}version {done.version}: {figures.num_users:,} users, {figures.num_items:,} different items, "
        f"{done.seconds:.1f} s{rate}",
        f"fallback   {figures.num_fallback:,} users with nothing that the version knows; whoever has no list gets that "
        "of an empty history",
        f"new items  {new.note}",
        f"parquet    {os.path.relpath(done.lists.path)}",
        f"run        {done.run}, served since {done.served_since:%Y-%m-%d %H:%M}Z",
    )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
