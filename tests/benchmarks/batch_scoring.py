"""Batch scoring from the champion's alias to the pointer: users a CPU second, and memory at two sizes.

The arm that ships, untrained (speed does not depend on what was learned), over 12,000 items with IDs as the default
tokenizer deals them; users with 20 events each in the feature store. Timed, in a process of its own: resolve and load
the version, score everybody into parquet, publish it, write the warehouse, push to the online store, move the pointer.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from tests.benchmarks.measured_process import figures_of, prepare_in

NUM_ITEMS, EVENTS_EACH = 12_000, 20
SIZES = (8_000, 24_000)  # users


def batch_scoring(sizes: tuple[int, ...] = SIZES, num_items: int = NUM_ITEMS) -> dict[str, float]:
    """For each number of users: users a CPU second with and without loading, and peak memory in 10^6 bytes."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="recloop-bench-") as folder:
        for users in sizes:
            home = Path(folder) / str(users)
            home.mkdir()
            _prepare(home, num_items, users)
            command = [sys.executable, "-m", "tests.benchmarks.batch_scoring_process", str(home)]
            told = figures_of(command, called=f"scoring {users} users")
            found |= {f"users_{users}_{name}": value for name, value in told.items()}
    return found


def _prepare(home: Path, num_items: int, num_users: int) -> None:
    """In a process of its own, so that what it holds is in nobody's peak."""
    imports = "from tests.benchmarks.batch_scoring import prepare"
    prepare_in(home, imports, "prepare(home, *sizes)", num_items, num_users)


def prepare(home: Path, num_items: int, num_users: int) -> None:
    """A champion in a registry under `home`, and a cut of all users in the feature store."""
    from mlflow import MlflowClient

    from components.features.sequences import user_sequences
    from components.features.store.offline import write_user_sequences
    from components.features.store.opening import apply_definitions, open_store
    from components.registry import tracking
    from components.registry.bundle import open_bundle
    from components.registry.registration import register_bundle
    from tests.benchmarks.serving import untrained_bundle

    uri = f"sqlite:///{home}/mlflow.db"
    MlflowClient(uri).create_experiment("recloop", artifact_location=str(home / "mlflow"))
    tracking.configure(uri)
    bundle = open_bundle(untrained_bundle(home, num_items, codes=dealt_codes(num_items)))
    run = tracking.open_run(experiment="recloop", cycle="bench", name="bench", tags={})
    version = register_bundle(bundle, run=run, model_name="scored", verdict="PROMOTE", metrics={}, tags={})
    MlflowClient(uri).set_registered_model_alias("scored", "champion", version.version)
    store = open_store(home / "feast")
    apply_definitions(store, feature_set="f" * 64)
    now = pd.Timestamp("2026-01-01", tz="UTC")
    write_user_sequences(
        store.home, user_sequences(_events(num_items, num_users, now), cutoff=now.to_pydatetime())
    )


def dealt_codes(num_items: int) -> np.ndarray:
    """[item, 4] three levels as wide as the default tokenizer's, evenly used, and a collision token."""
    from components.tokenizer.config import codebook_size_for
    from components.tokenizer.ids import with_collision_tokens

    size, rng = codebook_size_for(num_items), np.random.default_rng(0)
    codes = np.stack([rng.permutation(num_items) % size for _ in range(3)], axis=1)
    names = np.array([f"{item:06d}" for item in range(num_items)], dtype=object)
    return with_collision_tokens(names, codes, np.zeros(num_items)).codes


def _events(num_items: int, num_users: int, now: pd.Timestamp) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    number = num_users * EVENTS_EACH
    return pd.DataFrame(
        {
            "event_id": [f"e{event}" for event in range(number)],
            "user_id": [f"u{event // EVENTS_EACH:07d}" for event in range(number)],
            "item_id": [f"{item:06d}" for item in rng.integers(0, num_items, number)],
            "event_type": "view",
            "timestamp": now - pd.to_timedelta(rng.integers(60, 86_400, number), unit="s"),
        }
    )
