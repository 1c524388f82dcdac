"""MLflow, cut off at a request of a cycle, and all through a training."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.child import done, import_once
from tests.faults.cut_off import Call, Point, Service
from tests.faults.home import files_of, rows_of, warehouse_of
from tests.faults.wire import Wire

_API = r"/api/2\.0/mlflow"
_FILES = "/api/2.0/mlflow-artifacts/artifacts"
_PASSWORD = "sesamopen"  # noqa: S105 - no account has it, and the server asks for none
POINTS = (
    Point(name="experiment: by name", call="begin", what=f"^GET {_API}/experiments/get-by-name"),
    Point(name="experiment: create", call="begin", what=f"^POST {_API}/experiments/create"),
    Point(name="run: search", call="begin", what=f"^POST {_API}/runs/search"),
    Point(name="run: create", call="begin", what=f"^POST {_API}/runs/create"),
    Point(name="parameters: log", call="begin", what=f"^POST {_API}/runs/log-batch .*seed"),
    Point(name="training: curve", call="train", what="^", raises=False),
    Point(name="report: upload", call="register", what=f"^PUT {_FILES}/.*report.html"),
    Point(name="logged model: create", call="register", what=f"^POST {_API}/logged-models "),
    Point(name="bundle: upload", call="register", what=f"^PUT {_FILES}/.*bundle.json"),
    Point(name="bundle: read back", call="register", what=f"^GET {_FILES}/.*items.parquet"),
    Point(name="logged model: finalize", call="register", what=f"^PATCH {_API}/logged-models"),
    Point(name="model: create", call="register", what=f"^POST {_API}/registered-models/create"),
    Point(name="version: create", call="register", what=f"^POST {_API}/model-versions/create"),
    Point(name="version: search", call="register", what=f"^GET {_API}/model-versions/search"),
    Point(name="alias: get", call="promote", what=f"^GET {_API}/registered-models/get"),
    Point(
        name="alias: set champion", call="promote", what=f"^POST {_API}/registered-models/alias .*champion"
    ),
    Point(name="tag: set", call="promote", what=f"^POST {_API}/registered-models/set-tag", at=2),
    Point(name="run: finish", call="begin", what=f"^POST {_API}/runs/update .*FINISHED"),
)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A model and an experiment of their own, and a home."""

    name: str
    home: Path
    road: str
    past: str


@contextmanager
def mlflow(scratch: Path, *, short: bool) -> Iterator[Service]:
    """Started on SQLite, as a home has it."""
    del short
    import_once(
        "components.registry.registration", "tests.registry.test_promotion", "flows.training", "torch._dynamo"
    )
    from flows.engine_environment import engine_environment
    from flows.outages import is_outage
    from flows.settings import Settings
    from tests.registry.servers import mlflow_server

    scratch.mkdir(parents=True)
    patience = engine_environment(Settings(home=scratch / "home"))
    with mlflow_server(scratch) as address:
        port = int(address.rpartition(":")[2])
        yield Service(
            name="MLflow", port=port, protocol="http", calls=_calls(scratch, address), points=POINTS,
            is_told=is_outage, address="@127.0.0.1:{road}", secrets=(_PASSWORD,),
            environment={name: value for name, value in patience.items() if name.startswith("MLFLOW")},
        )  # fmt: skip


def _calls(scratch: Path, past: str) -> dict[str, Call]:
    def fresh(prepare: Any, wire: Wire, name: str) -> Desk:
        road = wire.address.replace("//", f"//faults:{_PASSWORD}@")
        desk = Desk(name=name, home=scratch / name, road=road, past=past)
        desk.home.mkdir()
        done(partial(prepare, desk))
        return desk

    return {
        "begin": Call(fresh=partial(fresh, _empty), work=_begin, seen=_seen),
        "register": Call(fresh=partial(fresh, _with_bundle), work=_register, seen=_seen),
        "promote": Call(fresh=partial(fresh, _with_version), work=_promote, seen=_seen),
        "train": Call(fresh=partial(fresh, _with_rows), work=_train, seen=_trained),
    }


# --- a cycle's own calls --------------------------------------------------------------------------------


def _empty(desk: Desk) -> None:
    warehouse_of(desk.home).dispose()


def _with_bundle(desk: Desk) -> None:
    """A run that has begun, and what is to be registered."""
    from tests.registry.conftest import make_bundle

    make_bundle(desk.home / "artifacts")
    (desk.home / "report.html").write_text("<p>report</p>")
    _begin(desk, at=desk.past)


def _with_version(desk: Desk) -> None:
    from components.registry import tracking
    from tests.registry.conftest import tagged_version

    _begin(desk, at=desk.past)
    tracking.configure(desk.past)
    tagged_version(desk.name)


def _begin(desk: Desk, at: str = "") -> None:
    """Make or find the run, tell what was asked, draw, and end."""
    run = _run(desk, at)
    tracking = importlib.import_module("components.registry.tracking")
    tracking.log_facts(run, params={"seed": "1"})
    tracking.end_run(run, "FINISHED")


def _run(desk: Desk, at: str = "") -> Any:
    from components.registry import tracking

    tracking.configure(at or desk.road)
    return tracking.open_run(experiment=desk.name, cycle="c", name="cycle", tags={"by": "faults"})


def _register(desk: Desk) -> None:
    from tests.registry.conftest import make_bundle
    from tests.registry.test_registration import register

    bundle = make_bundle(desk.home / "artifacts")
    register(bundle, _run(desk), desk.name, "PROMOTE", reports=[desk.home / "report.html"])


def _promote(desk: Desk) -> None:
    from components.data.ledger import current_champion
    from components.registry import tracking
    from tests.registry.test_promotion import ask

    tracking.configure(desk.road)
    engine = warehouse_of(desk.home)
    ask(engine, desk.name, "1", current_champion(engine, desk.name))


def _seen(desk: Desk) -> dict[str, Any]:
    """Past the road: one run, whole; one version; one entry, and the alias follows it."""
    from mlflow import MlflowClient

    from components.registry import tracking
    from tests.faults import killed_registry

    tracking.configure(desk.past)
    client = MlflowClient()
    experiment = client.get_experiment_by_name(desk.name)
    assert experiment is not None
    models = client.search_logged_models([experiment.experiment_id])
    runs = [
        {
            "status": run.info.status, "params": run.data.params, "metrics": run.data.metrics,
            "reports": [file.path for file in client.list_artifacts(run.info.run_id, "reports")],
        }
        for run in client.search_runs([experiment.experiment_id])
    ]  # fmt: skip
    registered = killed_registry.seen(warehouse_of(desk.home), desk.name)
    return registered | {"runs": runs, "models": [str(model.status) for model in models]}


# --- a training -----------------------------------------------------------------------------------------


def _with_rows(desk: Desk) -> None:
    """A training set of 24 users, and a run to draw the curve in."""
    import json

    import numpy as np
    import pyarrow as pa

    from components.features.trainingset import publish_training_set
    from components.features.vectors import ItemVectors
    from components.registry import tracking

    tracking.configure(desk.past)
    run = tracking.open_run(experiment=desk.name, cycle="c", name="cycle", tags={})
    items = [f"i{n}" for n in range(9)]
    rows = {
        "user_id": [f"u{n:02d}" for n in range(24)],
        "item_ids": [[items[(n + k * (1 + n % 3)) % 9] for k in range(8)] for n in range(24)],
        "times": [list(range(10, 18)) for _ in range(24)],
    }
    vectors = ItemVectors(
        item_ids=np.array(items, dtype=object), vectors={"text": np.eye(9, 4, dtype=np.float32)},
        present={"text": np.ones(9, dtype=bool)}, encoders={"text": "e"}, health={},
    )  # fmt: skip
    ref = publish_training_set(desk.home / "artifacts", rows=pa.table(rows), vectors=vectors, parents={})
    (desk.home / "told.json").write_text(json.dumps({"ref": ref.to_dict(), "run": vars(run)}))


def _train(desk: Desk) -> None:
    """The flow's own stage."""
    import json
    from datetime import UTC, datetime

    from components.artifact import ArtifactRef
    from components.registry import tracking
    from flows.features import TrainingRows
    from flows.semantic_ids import IdentifiedItems
    from flows.training import train_arm

    bare = desk.road.replace(
        f"faults:{_PASSWORD}@", ""
    )  # as a setting, an address with a password is refused
    os.environ |= {"RECLOOP_HOME": str(desk.home), "MLFLOW_TRACKING_URI": bare}
    tracking.configure(bare)
    told = json.loads((desk.home / "told.json").read_text())
    ref = ArtifactRef(**told["ref"])
    rows = TrainingRows(training_set=ref, num_users=24, cut=datetime(2024, 1, 1, tzinfo=UTC))
    ids = IdentifiedItems(
        encoders=ref, tokenizer=ref, ids=ref, name="graph_rqvae", new_ids=0, health={}, told=""
    )
    train_arm.fn("r", "sasrec", rows, ids, "quick", 7, tracking.TrackingRun(**told["run"]))


def _trained(desk: Desk) -> dict[str, Any]:
    files = files_of(desk.home, "artifacts/arm")
    assert files, "no arm was published"
    return {"files": files, "journal": rows_of(desk.home, without=("peak_mb",))["stage_journal"]}
