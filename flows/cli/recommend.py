"""`recloop recommend`: what the champion would show one user next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import moment_option

if TYPE_CHECKING:
    import pandas as pd

    from components.features.store.opening import OpenStore
    from components.registry.versions import RegisteredVersion
    from components.serving.scorer import Scorer
    from flows.settings import Settings


class UnknownItems(Exception):
    """A history of items that the champion has never heard of."""


_LAST_SEEN = 5  # events that are shown


def recommend(
    user: Annotated[str | None, typer.Option("--user", "-u", help="user id, as in the source")] = None,
    history: Annotated[
        str | None,
        typer.Option(
            metavar="ITEM,ITEM",
            help="in place of a user: item ids that somebody without events had, oldest first; nothing is noted",
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="how many")] = 10,
    max_age_days: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="refuse features older than this; default: flag those older than "
            "RECLOOP_MAX_FEATURE_AGE_HOURS, never refuse",
        ),
    ] = None,
    as_of: Annotated[
        datetime | None, moment_option("the moment that ages are counted to; default: the clock")
    ] = None,
) -> None:
    """What the champion would show this user next, by title; noted in the warehouse."""
    if (user is None) == (history is None):
        if user is None:
            raise typer.BadParameter("Missing option '--user', or --history for somebody without events")
        raise typer.BadParameter("--history stands in place of --user: leave one of them out")
    from flows.cli.registry import registry
    from flows.local.console import console
    from flows.settings import load_settings

    settings = load_settings()
    with registry() as model_name:  # asked first: without a champion there is no need to load torch and Feast
        from components.registry import versions

        champion = versions.require_champion(model_name)
        bundle = versions.download_bundle(model_name, champion.version, settings.artifacts)
    import pandas as pd

    from components.data import queries
    from components.features.store.live import make_ready
    from components.features.store.opening import open_store
    from components.serving.new_items import latest_new_items, read_new_items
    from components.serving.online import recommend_users
    from components.serving.scorer import load_scorer
    from flows.warehouse import warehouse

    found = latest_new_items(settings.artifacts, bundle.digest)
    scorer = load_scorer(bundle.path, new=read_new_items(found) if found else None)
    made_by = f"by version {champion.version} of {model_name} (bundle {bundle.digest[:12]})"
    if user is None:
        items = _known_items(scorer, history or "")
        console.print(f"a history of {len(items)} items, {made_by}\n", markup=False)
        asked = pd.DataFrame({"user_id": ["somebody"], "item_ids": [items]})
        _print_list(scorer.recommend(asked, k=k, exclude_seen=champion.excludes_seen))
        return
    store, accepted = open_store(settings.feast_home), _accepted(settings, max_age_days)
    make_ready(store)
    answer = recommend_users(
        store,
        scorer,
        [user],
        as_of=as_of or datetime.now(UTC),
        max_age=accepted,
        k=k,
        exclude_seen=champion.excludes_seen,
        known_users=queries.user_ids(warehouse()),
        refuse_stale=max_age_days is not None,
    )
    _note(answer, user, champion)
    console.print(f"user {user}, {made_by}", markup=False)
    console.print(_features_line(answer, accepted), markup=False)
    console.print(f"last seen: {_last_seen(store, user)}\n", style="dim", markup=False)
    _print_list(answer)


def _print_list(answer: pd.DataFrame) -> None:
    from flows.local.console import console

    for row in answer.itertuples():
        console.print(f"{row.rank:>3}  {row.title}", markup=False)


def _known_items(scorer: Scorer, history: str) -> list[str]:
    """The items of a history that the version knows; the others are told. Raises UnknownItems if it knows none."""
    from components.data.near_ids import nearest_ids
    from flows.local.console import console

    items = [item for piece in history.split(",") if (item := piece.strip())]
    unknown = [item for item in dict.fromkeys(items) if item not in scorer.titles]
    near = nearest_ids(unknown, scorer.titles.keys())
    told = ", ".join(f"{item!r}{f' (nearest is {near[item]!r})' if item in near else ''}" for item in unknown)
    if len(unknown) == len(set(items)):
        raise UnknownItems(
            f"the champion knows no item of this history: {told or 'it is empty'}. Pass item ids, parted by commas."
        )
    if unknown:
        console.print(f"left out, since the champion does not know them: {told}", markup=False)
    return [item for item in items if item not in unknown]


def _note(answer: pd.DataFrame, user: str, champion: RegisteredVersion) -> None:
    from components.data.recommendations import record_list
    from flows.warehouse import warehouse

    if answer.empty:
        return
    record_list(
        warehouse(),
        user_id=user,
        item_ids=answer["item_id"].tolist(),
        scores=answer["score"].tolist(),
        model_version=champion.version,
        bundle=answer["bundle"].iloc[0],
        feature_set=answer["feature_set"].iloc[0],
        features_as_of=answer["features_as_of"].iloc[0].to_pydatetime(),
    )


def _accepted(settings: Settings, max_age_days: float | None) -> timedelta:
    if max_age_days is None:
        return timedelta(hours=settings.max_feature_age_hours)
    return timedelta(days=max_age_days)


def _features_line(answer: pd.DataFrame, accepted: timedelta) -> str:
    """Which features the list is made of and how old they are; what to do where they are stale."""
    from components.serving.online import in_words

    if answer.empty:
        return "no item is left to list"
    until, age = answer["features_as_of"].iloc[0].to_pydatetime(), answer["age"].iloc[0].to_pytimedelta()
    told = f"features {answer['feature_set'].iloc[0][:12] or 'of an unknown set'}, events until {until:%Y-%m-%d %H:%M}Z"
    if age < timedelta(0):
        return f"{told}: STALE, later than --as-of by {in_words(-age)}"
    if not answer["stale"].iloc[0]:
        return f"{told}, {in_words(age)} old"
    then = (until + timedelta(seconds=1)).replace(microsecond=0)
    return (
        f"{told}: STALE, {in_words(age)} old where {in_words(accepted)} are accepted. What happened since is in no "
        f"list. `recloop ingest` and then `recloop retrain` bring it, where the source has any; if the data end there, "
        f"ask as of then: --as-of {then:%Y-%m-%dT%H:%M:%S}Z"
    )


def _last_seen(store: OpenStore, user: str) -> str:
    """Titles of the latest events that the list was made from, oldest first."""
    from components.data import queries
    from components.features.store.live import user_states
    from flows.warehouse import warehouse

    seen = list(user_states(store, [user])[0].sequence().item_ids)[-_LAST_SEEN:]
    titles = queries.titles(warehouse(), seen)
    return "; ".join(titles.get(item, item) for item in seen)
