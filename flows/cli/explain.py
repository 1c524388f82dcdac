"""`recloop explain`: why the champion would show this item to that user."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from components.data.queries import ItemPopularity
    from components.registry.bundle import Bundle
    from components.serving.explaining import Explanation, Influence, SharedCodes
    from components.serving.loaded import History
    from components.serving.scorer import Scorer

_ANY_AGE = timedelta(days=36_500)  # a century: nothing is refused
_ADDS_UP = 1e-3  # of what the history is worth: less is rounding


def explain(
    item: Annotated[str, typer.Option("--item", "-i", help="item id, as in the source")],
    user: Annotated[str | None, typer.Option("--user", "-u", help="user id, as in the source")] = None,
    history: Annotated[
        str | None, typer.Option(help="in place of --user: item ids, oldest first, separated by commas")
    ] = None,
    version: Annotated[str | None, typer.Option(help="a registered version; default: the champion")] = None,
    show: Annotated[int, typer.Option(min=1, help="history items to print, those of most weight")] = 15,
) -> None:
    """Why the champion would show this item to that user: what each thing they did weighs, and the codes they share.

    The weight of a history item is the item's score less what the score is without that item's events.
    """
    from flows.cli.registry import registry
    from flows.local.console import console
    from flows.settings import load_settings

    if (user is None) == (history is None):
        raise typer.BadParameter(
            "say whose list it is with --user, or what was had with --history, and not both"
        )
    settings = load_settings()
    with registry() as model_name:  # asked first: without a version there is no need to load torch and Feast
        from components.registry import versions

        chosen = (
            versions.get_version(model_name, version) if version else versions.require_champion(model_name)
        )
        reference = versions.download_bundle(model_name, chosen.version, settings.artifacts)
    from components.data import queries
    from components.serving.explaining import explain
    from components.serving.new_items import latest_new_items, read_new_items
    from components.serving.scorer import load_scorer
    from flows.warehouse import warehouse

    new = latest_new_items(settings.artifacts, reference.digest)
    told = read_new_items(new) if new else None
    scorer = load_scorer(reference.path, new=told, compute=settings.compute)
    had = _typed(history, scorer) if history is not None else _of_user(str(user))
    found = explain(scorer, item, had, excludes_seen=chosen.excludes_seen)
    trained_until = datetime.fromisoformat(scorer.bundle.facts.train_end)
    popularity = queries.item_popularity(warehouse(), item, before=trained_until)
    whose = f"user {user}" if user is not None else "this history"
    console.print(f"{item}  {found.title}", style="bold", markup=False)
    console.print(f"for {whose}, by version {chosen.version} of {model_name} ({found.arm})\n", markup=False)
    for line in (_standing(found), _known_of(popularity, trained_until), *_coded(found, scorer.bundle)):
        console.print(line, markup=False)
    if found.influences:
        console.print()
        console.print(_table(found, show))
    console.print()
    for line in _limits(found):
        console.print(line, style="dim", markup=False)


def _of_user(user: str) -> History:
    """What the user's next list is made from: their sequence online, pushed events with it. Raises UnknownUser."""
    from components.data import queries
    from components.features.store.live import make_ready
    from components.features.store.opening import open_store
    from components.serving.loaded import History
    from components.serving.online import known_features
    from flows.settings import load_settings
    from flows.warehouse import warehouse

    store = open_store(load_settings().feast_home, online_only=True)
    make_ready(store)
    (row,) = known_features(
        store, [user], as_of=datetime.now(UTC), max_age=_ANY_AGE, known_users=queries.user_ids(warehouse())
    ).itertuples()
    return History(item_ids=row.item_ids, times=row.times)


def _typed(history: str, scorer: Scorer) -> History:
    """What was typed. An id that the version does not know is taken for a slip. Raises NotExplainable."""
    from components.serving.explaining import NotExplainable, nearest
    from components.serving.loaded import History

    items = [item.strip() for item in history.split(",") if item.strip()]
    for item in items:
        if item not in scorer.titles:
            raise NotExplainable(
                f"--history: this version does not know item {item!r}. {nearest(item, scorer.titles)}"
                "Give ids as they stand in the source, separated by commas."
            )
    return History(item_ids=items, times=range(len(items)))


def _standing(found: Explanation) -> str:
    if found.is_seen:
        return (
            f"score {found.score:+.4f}; the user has had it, so lists of this version leave it out. Among all "
            f"{found.num_ranked:,} items, seen ones kept, its place would be {found.rank:,}"
        )
    in_list = (
        f"place {found.listed_at} of the list" if found.listed_at else "not among the first 10 of the list"
    )
    return f"score {found.score:+.4f}, rank {found.rank:,} of {found.num_ranked:,} items; {in_list}"


def _known_of(popularity: ItemPopularity, until: datetime) -> str:
    if not popularity.events:
        return f"popularity  no event before {until:%Y-%m-%d}: nothing of it but its content was learned"
    return (
        f"popularity  {popularity.events:,} events of {popularity.users:,} of {popularity.num_users:,} users before "
        f"{until:%Y-%m-%d}, rank {popularity.rank:,} of {popularity.num_items:,}; novelty {popularity.novelty:.2f} bits"
    )


def _coded(found: Explanation, bundle: Bundle) -> list[str]:
    if found.codes is None:
        reads = "has none" if bundle.facts.tokenizer is None else "gave it none"
        return [f"semantic ID {reads}: {found.arm} ranks items by other means"]
    prefixes = ", ".join(
        f"{'-'.join(map(str, found.codes[:depth]))} {sharing:,}"
        for depth, sharing in enumerate(found.sharing, start=1)
    )
    shown = "-".join(map(str, found.codes))
    return [f"semantic ID {shown} (last: collision); items with the prefix: {prefixes}"]


def _table(found: Explanation, show: int) -> Table:
    from rich.markup import escape
    from rich.table import Table

    heaviest = sorted(found.influences, key=lambda influence: -abs(influence.weight))[:show]
    table = Table("weight", "without", "position", "item", "title", "shared codes", box=None, pad_edge=False)
    for influence in found.influences:
        if influence in heaviest:
            table.add_row(
                f"{influence.weight:+.4f}",
                f"{influence.without:+.4f}",
                ", ".join(map(str, influence.positions)),
                escape(influence.item_id),
                escape(influence.title) + _stranger(influence),
                _agreement(influence.shared),
            )
    return table


def _stranger(influence: Influence) -> str:
    return "" if influence.is_known else " [dim](unknown to this version)[/dim]"


def _agreement(shared: SharedCodes | None) -> str:
    if shared is None:
        return "–"
    if not shared.levels:
        return "none"
    levels = "level" if len(shared.levels) == 1 else "levels"
    prefix = f", prefix of {shared.prefix}" if shared.prefix else ", no prefix"
    return f"{levels} {', '.join(map(str, shared.levels))} of {shared.num_levels}{prefix}"


def _limits(found: Explanation) -> list[str]:
    if not found.influences:
        return ["the history is empty: this is the list of everybody who is new"]
    total = sum(influence.weight for influence in found.influences)
    worth = (
        f"the whole history is worth {found.of_history:+.4f} (an empty one scores {found.empty_score:+.4f})"
    )
    if all(influence.weight == 0 for influence in found.influences):
        return [f"no history item moves this score: {found.arm} scores items alike for everybody"]
    if abs(found.left_over) <= _ADDS_UP * max(abs(found.of_history), abs(total)):
        added = f"{worth}, and the weights add up to it"
    else:
        added = (
            f"{worth}, the weights add up to {total:+.4f}: {found.left_over:+.4f} is what items do together"
        )
    return [
        added,
        "a weight is what leaving one item out changes, all else kept; two items that say the same can both weigh "
        "little. It tells what moved the model, not why the user would like it.",
    ]
