"""`recloop search`: items by what is asked for in words, and in the order in which the champion would show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.champion import champion_now, champion_scorer, known_items, refuse_unknown
from flows.cli.options import Json

if TYPE_CHECKING:
    import pandas as pd

    from components.registry.registered import RegisteredVersion
    from components.search.item_search import Found
    from components.serving.scorer import Scorer
    from flows.settings import Settings


class NothingToSearch(Exception):
    """The warehouse holds no item that says anything of itself."""


def search(
    query: Annotated[str, typer.Option("--query", "-q", help="what is looked for, in words")],
    user: Annotated[
        str | None,
        typer.Option(
            "--user", "-u", help="user id: what is found in the order in which the champion would show it"
        ),
    ] = None,
    history: Annotated[
        str | None,
        typer.Option(
            metavar="ITEM,ITEM", help="in place of a user: item ids that somebody had, oldest first"
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="how many")] = 10,
    as_json: Json = False,
) -> None:
    """Items by a query in words; with a user, in the order in which the champion would show them.

    Title, categories, description and attributes are searched, of every item that has landed. Nothing is noted.
    """
    if user is not None and history is not None:
        raise typer.BadParameter("--history stands in place of --user: leave one of them out")
    if user is None and history is None:
        _say(_by_text(query, k), None, k, as_json)
        return
    from flows.settings import load_settings

    settings = load_settings()
    champion = (
        champion_now()
    )  # asked first, as the user is: without them there is no need to load torch and Feast
    if user is not None:
        refuse_unknown(user, settings)
    listed = _for(_by_text(query, k, for_user=True), champion, settings, user, history)
    _say(listed, champion, k, as_json)


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """A list, best first, and how it came to be."""

    told: str
    items: pd.DataFrame  # item_id, title, score
    found: Found
    left_out: str = ""  # items of the history that the champion does not know


def _by_text(query: str, k: int, *, for_user: bool = False) -> _Listed:
    """The best `k`, and for a user as many as are put in order. Raises NoQuery, NothingToSearch."""
    from components.data import queries
    from components.search.for_user import num_candidates
    from components.search.item_search import search_over
    from flows.warehouse import warehouse

    items = queries.described_items(warehouse())
    over = search_over(items)
    if not over.has_text.any():
        raise NothingToSearch(
            f"none of {len(items):,} items has a title, categories, a description or attributes. `recloop ingest` "
            "brings items, where the source has any."
        )
    found = over.find(query, max(k, num_candidates(len(items))) if for_user else k)
    listed = items.iloc[found.items][["item_id", "title"]].assign(score=found.scores)
    return _Listed(told=f"by the text of {len(items):,} items", items=listed, found=found)


def _for(
    text: _Listed, champion: RegisteredVersion, settings: Settings, user: str | None, history: str | None
) -> _Listed:
    """The same items in one user's order. Raises UnknownItems for a history of which the champion knows none."""
    from components.search.for_user import for_user

    scorer = champion_scorer(champion, settings)
    left_out = ""
    if user is None:
        had, left_out = _of_history(scorer, history or "")
    else:
        had = _of_user(user, settings)
    item_ids = text.items["item_id"].to_numpy(dtype=object)
    order, scores = for_user(scorer.arm, scorer.histories(had), item_ids)
    whose = f"user {user}" if user is not None else f"a history of {len(had['item_ids'].iloc[0])} items"
    return _Listed(
        told=f"the first {len(item_ids):,} {text.told}, in the order of {whose} by version {champion.version} of "
        f"{champion.name}",
        items=text.items.iloc[order].assign(score=scores),
        found=text.found,
        left_out=left_out,
    )


def _of_history(scorer: Scorer, history: str) -> tuple[pd.DataFrame, str]:
    import pandas as pd

    items, left_out = known_items(scorer, history)
    return pd.DataFrame({"user_id": ["somebody"], "item_ids": [items]}), left_out


def _of_user(user: str, settings: Settings) -> pd.DataFrame:
    """What their next list would be made from; nothing for somebody whom only the warehouse knows."""
    import pandas as pd

    from components.features.store.live import make_ready, user_states
    from components.features.store.opening import open_store

    store = open_store(settings.feast_home, online_only=True)
    make_ready(store)
    sequence = user_states(store, [user])[0].sequence()
    return pd.DataFrame(
        {"user_id": [user], "item_ids": [list(sequence.item_ids)], "times": [list(sequence.times)]}
    )


def _say(listed: _Listed, champion: RegisteredVersion | None, k: int, as_json: bool) -> None:
    from flows.local.console import console, say_json, whole_line

    first = [
        {"rank": rank, "item_id": item_id, "title": title or item_id, "score": float(score)}
        for rank, (item_id, title, score) in enumerate(listed.items.head(k).itertuples(index=False), start=1)
    ]
    has_words = bool(listed.found.has_word.any())
    if as_json:
        by = None if champion is None else {"model": champion.name, "version": champion.version}
        say_json({"listed": listed.told, "has_words": has_words, "by": by, "items": first})
        return
    if listed.left_out:
        whole_line(f"left out, since the champion does not know them: {listed.left_out}")
    whole_line(listed.told)
    if not has_words:
        console.print("no item has a word of the query: these are near in meaning", style="dim")
    console.print()
    for one in first:
        console.print(f"{one['rank']:>3}  {one['title']}", markup=False)
