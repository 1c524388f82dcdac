"""The same through a real MLflow server, configured as recloop runs it."""

from __future__ import annotations

import time
from pathlib import Path

import mlflow
import pandas as pd

from components.data.warehouse import Engine
from components.registry import tracking
from components.registry.promotion import promote, rollback
from components.registry.registration import register_bundle
from components.registry.versions import champion, download_bundle
from tests.registry.conftest import make_bundle

ROLLBACK_SECONDS = 30.0  # reliability.md, property 15


def test_register_promote_fetch_load_and_roll_back(server: str, tmp_path: Path, warehouse: Engine):
    run = tracking.open_run(experiment="recloop", cycle="c1", name="cycle", tags={})
    assert run.url.startswith(server)
    bundles = [make_bundle(tmp_path / "made", seed=seed) for seed in (1, 2)]
    previous = None
    for bundle in bundles:
        registered = register_bundle(
            bundle, run=run, model_name="served", verdict="PROMOTE", metrics={"ndcg@10": 0.1}, tags={}
        )
        result = promote(
            warehouse,
            model_name="served",
            version=registered.version,
            expected_champion=previous,
            verdict="PROMOTE",
            actor="cycle",
            reason="better",
            evidence={},
        )
        assert result.moved
        previous = registered.version
    assert champion("served").bundle_digest == bundles[1].digest

    began = time.monotonic()
    assert rollback(warehouse, model_name="served", actor="drill", reason="drill").champion == "1"
    assert time.monotonic() - began < ROLLBACK_SECONDS
    assert download_bundle("served", "1", tmp_path / "fetched").digest == bundles[0].digest
    loaded = mlflow.pyfunc.load_model("models:/served@champion")
    answer = loaded.predict(pd.DataFrame({"item_ids": [["a"]]}), params={"k": 1})
    assert answer[["item_id", "bundle"]].to_numpy().tolist() == [["b", bundles[0].digest]]
