"""The offline store of a process that reads online rows only: none.

Feast imports the module of the store that is configured, DuckDB's, which brings Ibis and sqlglot: a tenth of what
`recloop recommend` loads. A configured class of one's own is Feast's own way to choose another.
"""

from __future__ import annotations

from typing import Literal

from feast.infra.offline_stores.offline_store import OfflineStore
from feast.repo_config import FeastConfigBaseModel

TYPE = f"{__name__}.NothingOfflineStore"


class NothingOfflineStoreConfig(FeastConfigBaseModel):
    type: Literal["components.features.store.online_only.NothingOfflineStore"] = (
        "components.features.store.online_only.NothingOfflineStore"
    )


class NothingOfflineStore(OfflineStore):
    """Every read of training data fails, as the base class says."""
