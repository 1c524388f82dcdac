"""A real MLflow on one SQLite file per session, a real warehouse per test, and small real bundles."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from components.artifact import publish
from components.data.warehouse import Engine, open_warehouse
from components.recommender.baselines.popularity import fit_popularity
from components.registry import tracking
from components.registry.bundle import Bundle, BundleFacts, build_bundle, open_bundle
from components.registry.registered import BUNDLE_TAG, VERDICT_TAG, RegisteredVersion
from components.registry.tracking import TrackingRun
from components.registry.versions import facts_of
from tests.registry.servers import mlflow_server

ITEM_IDS = ["a", "b", "c", "d", "e"]
_SEEDS = itertools.count(100)
# the machine may be busy with other tests; what an outage costs, the tests of `tracking` say themselves
os.environ |= {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
EVENTS = np.array(["a"] * 5 + ["b"] * 4 + ["c"] * 3 + ["d"] * 2 + ["e"], dtype=object)


@pytest.fixture(scope="session")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated MLflow database with the experiment that the tests log to."""
    home = tmp_path_factory.mktemp("mlflow")
    os.environ["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = "NullPool"  # a forked child must not inherit connections
    uri = f"sqlite:///{home}/mlflow.db"
    MlflowClient(uri).create_experiment("recloop", artifact_location=str(home / "artifacts"))
    return uri


@pytest.fixture
def mlflow_here(tracking_uri: str) -> Iterator[str]:
    """This process points at the session's MLflow, whatever a test before has done."""
    tracking.configure(tracking_uri)
    yield tracking_uri
    tracking.configure(tracking_uri)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One MLflow server for all tests that leave it as it is; start one of your own to kill it."""
    with mlflow_server(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture
def server(shared_server: str, mlflow_here: str) -> str:
    """This process points at the shared server, until the next test."""
    tracking.configure(shared_server)
    return shared_server


@pytest.fixture
def run(mlflow_here: str, request: pytest.FixtureRequest) -> TrackingRun:
    return tracking.open_run(experiment="recloop", cycle=request.node.name, name="cycle", tags={})


@pytest.fixture
def warehouse_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/warehouse.db"


@pytest.fixture
def warehouse(warehouse_url: str) -> Engine:
    return open_warehouse(warehouse_url)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle that no other test has uploaded."""
    return make_bundle(tmp_path, seed=next(_SEEDS))


def published_part(
    root: Path,
    kind: str,
    content: str,
    parents: dict[str, str] | None = None,
    health: dict[str, float] | None = None,
) -> tuple[str, Callable[[Path], None]]:
    """A published tokenizer or ID table: its digest, and what copies it into a bundle."""

    def write(folder: Path) -> None:
        _write(folder / "part.json", content)
        if health is not None:
            _write(folder / "health.json", json.dumps(health))

    ref = publish(root, kind, write, parents=parents or {}, config={})

    def copy(folder: Path) -> None:
        target = folder / kind
        target.mkdir()
        for path in Path(ref.path).iterdir():
            (target / path.name).write_bytes(path.read_bytes())

    return ref.digest, copy


def make_bundle(
    root: Path,
    *,
    seed: int = 7,
    tokenizer: str | None = '"first"',
    health: dict[str, float] | None = None,
) -> Bundle:
    """A popularity arm over five items, with a tokenizer beside it unless told otherwise."""
    tokenizer_digest = table_digest = write_tokenizer = None
    if tokenizer is not None:
        tokenizer_digest, copy_tokenizer = published_part(root, "tokenizer", tokenizer, health=health)
        table_digest, copy_table = published_part(
            root, "id_table", tokenizer, {"tokenizer": tokenizer_digest}
        )

        def write_tokenizer(folder: Path) -> None:
            copy_tokenizer(folder)
            copy_table(folder)

    ref = build_bundle(
        root,
        write_arm=fit_popularity(EVENTS).save,
        write_tokenizer=write_tokenizer,
        items=titles(),
        facts=facts(seed=seed, tokenizer=tokenizer_digest, id_table=table_digest),
    )
    return open_bundle(ref.path)


def facts(*, seed: int = 7, tokenizer: str | None = None, id_table: str | None = None) -> BundleFacts:
    return BundleFacts(
        arm="popularity",
        train_end="1998-01-01T00:00:00+00:00",
        snapshot="5" * 64,
        feature_set="f" * 64,
        tokenizer=tokenizer,
        id_table=id_table,
        seed=seed,
        code="c" * 64,
    )


def titles() -> pd.DataFrame:
    named = [f"Film {item_id.upper()}" for item_id in ITEM_IDS]
    return pd.DataFrame({"item_id": ITEM_IDS, "title": named, "categories": "Drama"})


def tagged_version(
    model_name: str, *, verdict: str = "PROMOTE", tokenizer: str = "t1", **more: str
) -> RegisteredVersion:
    """A version in the registry as registration leaves it, without the upload: promotion reads tags only."""
    client = MlflowClient()
    if not client.search_registered_models(f"name = '{model_name}'"):
        client.create_registered_model(model_name)
    tags = {BUNDLE_TAG: "b" * 64, VERDICT_TAG: verdict, "recloop.tokenizer": tokenizer} | more
    run = client.create_run("0").info  # a server takes no source from outside its run
    source = f"{run.artifact_uri}/recommender"
    return facts_of(client.create_model_version(model_name, source=source, run_id=run.run_id, tags=tags))


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def artifact_folder(version: RegisteredVersion) -> Path:
    """Where the session's MLflow keeps the bundle of a version."""
    model = mlflow.get_logged_model(version.source.removeprefix("models:/"))
    return Path(model.artifact_location) / "artifacts" / str(version.bundle_digest)[:20]


def _write(path: Path, content: str) -> None:
    path.write_text(content)
