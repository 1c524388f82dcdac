"""`recloop recommend`: what the champion would show one user next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.champion import champion_now, champion_scorer, known_items, refuse_unknown
from flows.cli.options import Json, moment_option

if TYPE_CHECKING:
    import pandas as pd

    from components.features.store.opening import OpenStore
    from components.registry.registered import RegisteredVersion
    from components.serving.scorer import Scorer
    from flows.cli.dealt_version import Dealt
    from flows.settings import Settings


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
    bandit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="let the version answer that this policy of `recloop bandit --to` deals the user, in place of the "
            "champion",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """What the champion would show this user next, by title; noted in the warehouse."""
    if (user is None) == (history is None):
        if user is None:
            raise typer.BadParameter("Missing option '--user', or --history for somebody without events")
        raise typer.BadParameter("--history stands in place of --user: leave one of them out")
    if bandit is not None and user is None:
        raise typer.BadParameter("--bandit knows users by their events: name one with --user")
    from flows.settings import load_settings

    settings = load_settings()
    # asked first, as the user is: without them there is no need to load torch and Feast
    dealt = _dealt(bandit, user, as_of) if bandit is not None and user is not None else None
    version = champion_now() if dealt is None else dealt.version
    if user is not None:
        refuse_unknown(user, settings)
    scorer = champion_scorer(version, settings)
    if user is None:
        said = _of_history(scorer, version, history or "", k)
    else:
        said = replace(_of_user(scorer, version, user, k, max_age_days, as_of, settings), dealt=dealt)
    if as_json:
        _say_json(said, version)
    else:
        _say(said, version)


def _dealt(bandit: Path, user: str, as_of: datetime | None) -> Dealt:
    from flows.cli.dealt_version import dealt_version

    return dealt_version(bandit, user, as_of or datetime.now(UTC))


@dataclass(frozen=True, kw_only=True)
class _Said:
    """One list, and what it was made from."""

    asked: str  # "user 7", "a history of 3 items"
    answer: pd.DataFrame  # the scorer's columns, of a user also those of the features
    left_out: str = ""  # items of the history that the version does not know
    features: str = ""
    last_seen: tuple[str, ...] = ()  # titles
    dealt: Dealt | None = None  # why this version answers and not the champion


def _of_history(scorer: Scorer, champion: RegisteredVersion, history: str, k: int) -> _Said:
    import pandas as pd

    items, left_out = known_items(scorer, history)
    asked = pd.DataFrame({"user_id": ["somebody"], "item_ids": [items]})
    answer = scorer.recommend(asked, k=k, exclude_seen=champion.excludes_seen)
    return _Said(asked=f"a history of {len(items)} items", answer=answer, left_out=left_out)


def _of_user(
    scorer: Scorer,
    champion: RegisteredVersion,
    user: str,
    k: int,
    max_age_days: float | None,
    as_of: datetime | None,
    settings: Settings,
) -> _Said:
    from components.features.store.live import make_ready
    from components.features.store.opening import open_store
    from components.serving.online import recommend_users

    store, accepted = open_store(settings.feast_home, online_only=True), _accepted(settings, max_age_days)
    make_ready(store)
    answer = recommend_users(
        store,
        scorer,
        [user],
        as_of=as_of or datetime.now(UTC),
        max_age=accepted,
        k=k,
        exclude_seen=champion.excludes_seen,
        known_users=[user],
        refuse_stale=max_age_days is not None,
    )
    _note(answer, user, champion)
    return _Said(
        asked=f"user {user}",
        answer=answer,
        features=_features_line(answer, accepted),
        last_seen=_last_seen(store, user),
    )


def _say(said: _Said, champion: RegisteredVersion) -> None:
    from flows.local.console import console, whole_line

    if said.left_out:
        whole_line(f"left out, since the champion does not know them: {said.left_out}")
    whole_line(
        f"{said.asked}, by version {champion.version} of {champion.name} (bundle {(champion.bundle_digest or '')[:12]})"
    )
    if said.dealt is not None:
        whole_line(said.dealt.note)
    if said.features:
        whole_line(said.features)
        console.print(f"last seen: {'; '.join(said.last_seen)}", style="dim", markup=False)
    console.print()
    for row in said.answer.itertuples():
        console.print(f"{row.rank:>3}  {row.title}", markup=False)


def _say_json(said: _Said, champion: RegisteredVersion) -> None:
    """One object: who was asked for, by what, and the list."""
    from flows.local.console import say_json

    answer = said.answer
    known = not answer.empty and "features_as_of" in answer
    say_json(
        {
            "asked": said.asked,
            "model": champion.name,
            "version": champion.version,
            "bundle": champion.bundle_digest,
            "dealt": None if said.dealt is None else said.dealt.as_json,
            "feature_set": answer["feature_set"].iloc[0] if known else None,
            "features_as_of": answer["features_as_of"].iloc[0] if known else None,
            "stale": bool(answer["stale"].iloc[0]) if known else None,
            "last_seen": list(said.last_seen),
            "items": answer[["rank", "item_id", "title", "score"]].to_dict("records"),
        }
    )


def _note(answer: pd.DataFrame, user: str, champion: RegisteredVersion) -> None:
    from components.data.read_only import is_read_only
    from components.data.recommendations import record_list
    from flows.local.console import warning_line
    from flows.warehouse import warehouse

    if answer.empty:
        return
    if is_read_only(warehouse()):
        warning_line("this home may only be read: the list is not noted in its warehouse")
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


def _last_seen(store: OpenStore, user: str) -> tuple[str, ...]:
    """Titles of the latest events that the list was made from, oldest first."""
    from components.data import queries
    from components.features.store.live import user_states
    from flows.warehouse import warehouse

    seen = list(user_states(store, [user])[0].sequence().item_ids)[-_LAST_SEEN:]
    titles = queries.titles(warehouse(), seen)
    return tuple(titles.get(item, item) for item in seen)
