"""Lineage: from one registered version back to model, tokenizer, features, snapshot and commit.

All of it stands in the version's tags, which registration writes from the bundle's facts.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.registry.versions import get_version


@dataclass(frozen=True, kw_only=True)
class Origin:
    """One thing and what it was made from."""

    kind: str
    id: str
    made_from: tuple[Origin, ...] = ()


def lineage(model_name: str, version: str) -> Origin:
    """The tree of origins of a version; a snapshot stands under each thing that was made from it.

    What a version does not carry (the tokenizer of an arm without semantic IDs, the commit of a working copy
    without one) is left out. Raises NoSuchVersion, TrackingUnreachable.
    """
    registered = get_version(model_name, version)
    tags = registered.tags

    def origin(kind: str, *made_from: Origin | None) -> Origin | None:
        if (found := tags.get(f"recloop.{kind}")) is None:
            return None
        return Origin(kind=kind, id=found, made_from=tuple(part for part in made_from if part is not None))

    features = origin("feature_set", origin("snapshot"))
    table = origin("id_table", origin("tokenizer"))
    code = origin("code", origin("commit"))
    bundle = origin("bundle", origin("arm"), features, table, origin("seed"), code)
    run = Origin(kind="run", id=registered.run_id)
    parts = tuple(part for part in (bundle, origin("verdict"), run) if part is not None)
    return Origin(kind="version", id=registered.uri, made_from=parts)
