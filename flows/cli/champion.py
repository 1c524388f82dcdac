"""The champion as a command asks it for a list: loaded, and told of what came after its training."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.artifact import ArtifactRef
    from components.registry.registered import RegisteredVersion
    from components.serving.scorer import Scorer
    from flows.settings import Settings


class UnknownItems(Exception):
    """A history of items that the champion has never heard of."""


def champion_now() -> RegisteredVersion:
    """Raises NothingRegistered, NoSuchVersion, TrackingUnreachable."""
    from components.registry.registered import CHAMPION, NoSuchVersion, no_champion
    from flows.cli.registry import model_now

    model = model_now()
    if (champion := model.named(CHAMPION)) is None:
        raise NoSuchVersion(no_champion(model.name))
    return champion


def refuse_unknown(user: str, settings: Settings) -> None:
    """Raise UnknownUser, if nobody has heard of this user: neither the warehouse, nor the server that takes events."""
    from components.data import queries
    from components.serving.unknown_user import unknown_user
    from flows.warehouse import warehouse

    if queries.has_events(warehouse(), user):
        return
    if any(settings.events_spool.glob("*/events.csv")):
        from components.serving.spool import users_of

        if user in users_of(settings.events_spool):
            return
    raise unknown_user(user, queries.user_ids(warehouse()))


def champion_scorer(champion: RegisteredVersion, settings: Settings) -> Scorer:
    """Its bundle, loaded, with the newest IDs of items that came after its training."""
    bundle = _bundle(champion, settings)
    from components.serving.new_items import latest_new_items, read_new_items
    from components.serving.scorer import load_scorer

    found = latest_new_items(settings.artifacts, bundle.digest)
    new = read_new_items(found) if found else None
    return load_scorer(bundle.path, new=new, compute=settings.compute)


def _bundle(champion: RegisteredVersion, settings: Settings) -> ArtifactRef:
    """The champion's bundle as it lies here, or fetched: for that alone MLflow's client is needed."""
    from components.registry.bundle import kept_bundle
    from flows.cli.registry import registry

    digest = champion.bundle_digest
    if digest is not None and (kept := kept_bundle(settings.artifacts, digest)) is not None:
        return kept
    with registry() as model_name:
        from components.registry.versions import download_bundle

        return download_bundle(model_name, champion.version, settings.artifacts)


def known_items(scorer: Scorer, history: str) -> tuple[list[str], str]:
    """The items of a history that the version knows, and the others as a person is told of them.

    Raises UnknownItems if it knows none.
    """
    from components.data.near_ids import nearest_ids

    items = [item for piece in history.split(",") if (item := piece.strip())]
    unknown = [item for item in dict.fromkeys(items) if item not in scorer.titles]
    near = nearest_ids(unknown, scorer.titles.keys())
    told = ", ".join(f"{item!r}{f' (nearest is {near[item]!r})' if item in near else ''}" for item in unknown)
    if len(unknown) == len(set(items)):
        raise UnknownItems(
            f"the champion knows no item of this history: {told or 'it is empty'}. Pass item ids, parted by commas."
        )
    return [item for item in items if item not in unknown], told
