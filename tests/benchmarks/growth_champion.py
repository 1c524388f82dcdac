"""A champion for `growth` to score with: the default arm, untrained, over the source's catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def register_champion(home: Path, items: int) -> None:
    """Under the name `scored`, in a registry under `home`; ids are those of the source's items."""
    from mlflow import MlflowClient

    from components.registry import tracking
    from components.registry.bundle import open_bundle
    from components.registry.registration import register_bundle
    from tests.benchmarks.batch_scoring import dealt_codes
    from tests.benchmarks.serving import untrained_bundle

    uri = f"sqlite:///{home}/mlflow.db"
    is_new = not (home / "mlflow.db").exists()
    if is_new:
        MlflowClient(uri).create_experiment("recloop", artifact_location=str(home / "mlflow"))
    tracking.configure(uri)
    if is_new:
        ids = np.array([f"i{item:07d}" for item in range(items)], dtype=object)
        bundle = open_bundle(untrained_bundle(home, items, codes=dealt_codes(items), item_ids=ids))
        run = tracking.open_run(experiment="recloop", cycle="bench", name="bench", tags={})
        version = register_bundle(
            bundle, run=run, model_name="scored", verdict="PROMOTE", metrics={}, tags={}
        )
        MlflowClient(uri).set_registered_model_alias("scored", "champion", version.version)
