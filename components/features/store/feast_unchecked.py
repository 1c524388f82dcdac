"""What this room takes from Feast, imported without what no read or write of features needs.

Run-time type checks: Feast has typeguard take its classes apart and compile them anew as they are imported: 7 of the
import's 12 CPU seconds, and then a third of every online read. mypy checks what we hand over. typeguard itself has no
switch but `python -O`, which drops every assertion of the process; so its decorator leaves classes alone for as long as
Feast is imported, and is what it was afterwards.

Feast's own servers: the modules behind `feast serve` and `feast ui` (uvicorn, gunicorn, tokens, metrics; 0.2 CPU s) are
loaded when somebody first uses one, by the standard library's lazy loader.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Any

import typeguard

_SERVERS = frozenset({"feast.feature_server", "feast.ui_server"})


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


class _AtFirstUse(MetaPathFinder):
    """Finds the servers' modules where they are, and has them executed later."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = PathFinder.find_spec(fullname, path, target) if fullname in _SERVERS else None
        if found is not None and isinstance(found.loader, Loader):
            found.loader = LazyLoader(found.loader)
        return found


@contextmanager
def _servers_at_first_use() -> Iterator[None]:
    finder = _AtFirstUse()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


with _classes_left_alone(), _servers_at_first_use():
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
