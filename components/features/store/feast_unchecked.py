"""What this room takes from Feast, imported without the run-time type checks of Feast's own classes.

Feast has typeguard take its classes apart and compile them anew as they are imported: 7 of the import's 12 CPU
seconds, and then a third of every online read. mypy checks what we hand over. typeguard itself has no switch but
`python -O`, which drops every assertion of the process; so its decorator leaves classes alone for as long as Feast
is imported, and is what it was afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typeguard


@contextmanager
def _classes_left_alone() -> Iterator[None]:
    checking = typeguard.typechecked
    typeguard.typechecked = _as_it_is
    try:
        yield
    finally:
        typeguard.typechecked = checking


def _as_it_is(target: Any = None, **_: Any) -> Any:
    return _as_it_is if target is None else target


with _classes_left_alone():
    from feast import Entity, FeatureService, FeatureStore, FeatureView, RepoConfig
    from feast.data_source import PushMode
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

__all__ = [
    "Entity",
    "EntityKey",
    "FeatureService",
    "FeatureStore",
    "FeatureView",
    "PushMode",
    "RepoConfig",
    "Value",
    "serialize_entity_key",
]
