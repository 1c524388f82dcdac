"""Lineage: from a version, a served item or a catalogue item back to model, tokenizer, snapshot, batch, commit.

What a version was made of stands in its tags, which registration writes from the bundle's facts; which batches
a snapshot held, the warehouse knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.data.origins import (
    BatchOrigin,
    ListedItem,
    batches_of_item,
    batches_of_snapshot,
    listed_item,
)
from components.registry.bundle import Bundle
from components.registry.versions import RegisteredVersion, find_version, get_version

if TYPE_CHECKING:
    from components.data.warehouse import Engine

DIRTY = "+dirty"  # after the commit of a working copy that held more than the commit
CLAIMS = (
    "bundle",
    "arm",
    "train_end",
    "snapshot",
    "feature_set",
    "tokenizer",
    "id_table",
    "seed",
    "code",
    "commit",
    "warm_start",
    "warm_start_version",
)


class NoSuchOrigin(Exception):
    """Nothing is known of what was asked for: an item that never was listed or is not in the bundle."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """One thing and what it was made from."""

    kind: str
    id: str
    made_from: tuple[Origin, ...] = ()
    note: str = ""  # for a reader, such as a batch's source and day


def lineage(model_name: str, version: str, engine: Engine | None = None) -> Origin:
    """The tree of origins of a version; a snapshot stands under each thing that was made from it.

    With a warehouse, under the snapshot stand the batches it held. What a version does not carry (the
    tokenizer of an arm without semantic IDs, the commit of a working copy without one) is left out. Raises
    NoSuchVersion, TrackingUnreachable.
    """
    registered = get_version(model_name, version)
    tags = registered.tags

    def origin(kind: str, *made_from: Origin | None) -> Origin | None:
        if (found := tags.get(f"recloop.{kind}")) is None:
            return None
        return Origin(kind=kind, id=found, made_from=tuple(part for part in made_from if part is not None))

    snapshot = tags.get("recloop.snapshot")
    landed = batches_of_snapshot(engine, snapshot) if engine is not None and snapshot else []
    features = origin("feature_set", origin("snapshot", *map(_batch, landed)))
    table = origin("id_table", origin("tokenizer"))
    code = origin("code", _commit(tags))
    bundle = origin("bundle", origin("arm", _start(registered)), features, table, origin("seed"), code)
    run = Origin(kind="run", id=registered.run_id)
    parts = tuple(part for part in (bundle, origin("verdict"), run) if part is not None)
    return Origin(kind="version", id=registered.uri, made_from=parts)


def lineage_of_recommendation(engine: Engine, model_name: str, user_id: str, item_id: str) -> Origin:
    """From an item in a user's newest list that holds it, through the version that made the list.

    Raises NoSuchOrigin if it never was in one, NoSuchVersion, TrackingUnreachable.
    """
    listed = listed_item(engine, user_id, item_id)
    if listed is None:
        raise NoSuchOrigin(
            f"item {item_id!r} was never recommended to user {user_id!r}. `recloop recommend --user {user_id}` "
            "shows and notes a list."
        )
    made_by = lineage(model_name, listed.model_version, engine)
    note = f"rank {listed.rank} for user {user_id} at {listed.at:%Y-%m-%d %H:%M}Z"
    return Origin(kind="recommendation", id=item_id, made_from=(_scoring(listed), made_by), note=note)


def lineage_of_item(engine: Engine, item_id: str, bundle: Bundle) -> Origin:
    """From an item to its semantic ID, the tokenizer that gave it, and the batches that brought it.

    `bundle` is the one that serves (of an arm without semantic IDs: only the batches are told). Raises
    NoSuchOrigin if neither the bundle nor the warehouse knows the item.
    """
    landed, codes = batches_of_item(engine, item_id), bundle.semantic_id(item_id)
    parts = [_batch(batch) for batch in landed]
    if codes is not None:
        tokenizer = Origin(kind="tokenizer", id=str(bundle.facts.tokenizer))
        table = Origin(kind="id_table", id=str(bundle.facts.id_table), made_from=(tokenizer,))
        shown = "-".join(map(str, codes))
        parts.insert(0, Origin(kind="semantic_id", id=shown, made_from=(table,)))
    if not parts:
        raise NoSuchOrigin(
            f"neither the bundle nor the warehouse knows item {item_id!r}. `recloop ingest` brings items."
        )
    return Origin(kind="item", id=item_id, made_from=tuple(parts))


def claims_of(model_name: str, version: str) -> dict[str, str]:
    """The digests and settings that a version says it was made of (CLAIMS, those that it carries).

    Run the stages again and give what came out to `broken_claims`. Raises NoSuchVersion, TrackingUnreachable.
    """
    return _claims(get_version(model_name, version))


@dataclass(frozen=True, kw_only=True)
class BrokenClaim:
    """What a version claims, and what came out when it was made again."""

    kind: str
    claimed: str
    found: str


def broken_claims(claims: Mapping[str, str], found: Mapping[str, str]) -> list[BrokenClaim]:
    """Where what was found differs from what is claimed; what was not made again is not judged."""
    return [
        BrokenClaim(kind=kind, claimed=claims[kind], found=found[kind])
        for kind in CLAIMS
        if kind in claims and kind in found and claims[kind] != found[kind]
    ]


def _claims(registered: RegisteredVersion) -> dict[str, str]:
    tags = registered.tags
    return {kind: tags[f"recloop.{kind}"] for kind in CLAIMS if f"recloop.{kind}" in tags}


def _start(registered: RegisteredVersion) -> Origin | None:
    """The bundle at whose weights a version's training began, and where that one began; None for a cold training."""
    if (bundle := registered.tags.get("recloop.warm_start")) is None:
        return None
    version = registered.tags.get("recloop.warm_start_version", "")
    before = find_version(registered.name, version)
    if before is None or before.bundle_digest != bundle:
        return Origin(
            kind="warm_start", id=bundle, note=f"of version {version}, which is no longer registered"
        )
    further = _start(before) if int(version) < int(registered.version) else None
    return Origin(
        kind="warm_start",
        id=bundle,
        made_from=(further,) if further else (),
        note=f"the weights of version {version}",
    )


def _commit(tags: Mapping[str, str]) -> Origin | None:
    if (commit := tags.get("recloop.commit")) is None:
        return None
    note = "and changes that were not committed" if commit.endswith(DIRTY) else ""
    return Origin(kind="commit", id=commit.removesuffix(DIRTY), note=note)


def _scoring(listed: ListedItem) -> Origin:
    """The run that scored the list, and the features that it was made from."""
    known = listed.features_as_of
    note = f"features as of {known:%Y-%m-%d %H:%M}Z" if known else "features of an age that was not told"
    served = Origin(kind="feature_set", id=listed.feature_set, note=note) if listed.feature_set else None
    return Origin(
        kind="scoring", id=listed.run, made_from=(served,) if served else (), note="" if served else note
    )


def _batch(batch: BatchOrigin) -> Origin:
    note = f"{batch.source}, landed {batch.landed_at:%Y-%m-%d %H:%M}Z, digest {batch.digest[:12]}"
    return Origin(kind="batch", id=str(batch.batch_id), note=note)
