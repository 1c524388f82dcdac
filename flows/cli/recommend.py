"""`recloop recommend`: what the champion would show one user next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

_ANY_AGE_DAYS = 36_500.0  # a century: nothing is refused


def recommend(
    user: Annotated[str, typer.Option("--user", "-u", help="user id, as in the source")],
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="how many")] = 10,
    max_age_days: Annotated[
        float | None, typer.Option(help="refuse features older than this; default: flag, never refuse")
    ] = None,
) -> None:
    """What the champion would show this user next, by title; noted in the warehouse."""
    from flows.cli.registry import registry
    from flows.local.console import console
    from flows.settings import load_settings

    settings = load_settings()
    with registry() as model_name:  # asked first: without a champion there is no need to load torch and Feast
        from components.registry import versions

        champion = versions.require_champion(model_name)
        bundle = versions.download_bundle(model_name, champion.version, settings.artifacts)
    from components.data import cycles, queries
    from components.data.recommendations import record_list
    from components.features.store.opening import open_store
    from components.serving.online import recommend_users
    from components.serving.scorer import load_scorer
    from flows.warehouse import warehouse

    as_of = max((cycle.as_of for cycle in cycles.cycles(warehouse())), default=datetime.now(UTC))
    answer = recommend_users(
        open_store(settings.feast_home),
        load_scorer(bundle.path),
        [user],
        as_of=as_of,
        max_age=timedelta(days=_ANY_AGE_DAYS if max_age_days is None else max_age_days),
        k=k,
        known_users=queries.user_ids(warehouse()),
        refuse_stale=max_age_days is not None,
    )
    record_list(
        warehouse(),
        user_id=user,
        item_ids=answer["item_id"].tolist(),
        scores=answer["score"].tolist(),
        model_version=champion.version,
        bundle=bundle.digest,
    )
    history = queries.user_history(warehouse(), user, before=as_of, limit=5)
    titles = queries.titles(warehouse(), history["item_id"].tolist())
    console.print(
        f"user {user}, by version {champion.version} of {model_name}, features as of {as_of:%Y-%m-%d %H:%M}Z",
        markup=False,
    )
    seen = "; ".join(titles.get(item, item) for item in history["item_id"])
    console.print(f"last seen: {seen}\n", style="dim", markup=False)
    for row in answer.itertuples():
        console.print(f"{row.rank:>3}  {row.title}", markup=False)
