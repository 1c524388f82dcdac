"""A small bundle of a real arm, opened for scoring."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from components.recommender.baselines.popularity import fit_popularity
from components.registry import tracking
from components.registry.bundle import BundleFacts, build_bundle
from components.serving.scorer import Scorer, load_scorer
from tests.serving.world import World


@pytest.fixture
def bundle_path(tmp_path: Path) -> Path:
    """All-time popularity: a before b before c before d; e is in the catalogue and was never seen."""
    events = np.array(["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["d"], dtype=object)
    items = pd.DataFrame({"item_id": list("abcde"), "title": ["A", "B", "C", None, "E"], "categories": None})
    facts = BundleFacts(
        arm="popularity",
        train_end="1998-01-01T00:00:00+00:00",
        snapshot="5" * 64,
        feature_set="f" * 64,
        tokenizer=None,
        id_table=None,
        seed=7,
        code="c" * 64,
    )
    ref = build_bundle(
        tmp_path, write_arm=fit_popularity(events).save, write_tokenizer=None, items=items, facts=facts
    )
    return Path(ref.path)


@pytest.fixture
def scorer(bundle_path: Path) -> Scorer:
    return load_scorer(bundle_path)


@pytest.fixture(scope="session")
def serving_mlflow(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated MLflow database with the experiment that versions are registered from."""
    home = tmp_path_factory.mktemp("serving-mlflow")
    os.environ["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = "NullPool"
    uri = f"sqlite:///{home}/mlflow.db"
    MlflowClient(uri).create_experiment("recloop", artifact_location=str(home / "artifacts"))
    return uri


@pytest.fixture
def world(serving_mlflow: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """A model that no other test has, without versions, and an empty feature store."""
    tracking.configure(serving_mlflow)
    name = "".join(sign if sign.isalnum() else "-" for sign in request.node.name)
    yield World(home=tmp_path, tracking_uri=serving_mlflow, model_name=name)
    tracking.configure(serving_mlflow)
