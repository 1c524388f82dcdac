"""What MLflow loads answers in the source's ids, holds no pickle, and is the bundle that was registered."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from components.artifact import ArtifactDamaged
from components.registry.bundle import Bundle
from components.registry.registration import register_bundle
from components.registry.tracking import TrackingRun
from components.registry.versions import get_version
from tests.registry.conftest import artifact_folder, flip_byte


@pytest.fixture
def model(bundle: Bundle, run: TrackingRun, request: pytest.FixtureRequest) -> str:
    """A registered model with one version, champion by alias."""
    name = request.node.name
    register_bundle(bundle, run=run, model_name=name, verdict="PROMOTE", metrics={}, tags={})
    MlflowClient().set_registered_model_alias(name, "champion", "1")
    return name


def test_it_predicts_original_ids_and_titles(bundle: Bundle, model: str):
    """Popularity is a, b, c, d, e: without what was seen, the first two are b and c, or a and b."""
    loaded = mlflow.pyfunc.load_model(f"models:/{model}@champion")
    answer = loaded.predict(pd.DataFrame({"item_ids": [["a"], ["c", "stranger"]]}), params={"k": 2})
    assert answer[["user_id", "rank", "item_id", "title"]].to_numpy().tolist() == [
        ["0", 1, "b", "Film B"],
        ["0", 2, "c", "Film C"],
        ["1", 1, "a", "Film A"],
        ["1", 2, "b", "Film B"],
    ]
    assert set(answer["bundle"]) == {bundle.digest}


def test_its_own_input_example_is_served(model: str):
    loaded = mlflow.pyfunc.load_model(f"models:/{model}@champion")
    answer = loaded.predict(loaded.input_example)
    assert answer["item_id"].tolist() == ["d", "e"]
    assert answer["user_id"].tolist() == ["example", "example"]
    assert loaded.metadata.signature.outputs.input_names() == list(answer.columns)


@pytest.mark.parametrize("column", [["a"], 7])
def test_what_it_cannot_score_is_told_as_mlflow_tells_it(model: str, column: object):
    """Any other exception becomes a traceback in the answer of `mlflow models serve`."""
    loaded = mlflow.pyfunc.load_model(f"models:/{model}@champion")
    broken = loaded.unwrap_python_model()
    with pytest.raises(MlflowException, match="k is -1") as refused:
        loaded.predict(pd.DataFrame({"item_ids": [["a"]]}), params={"k": -1})
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    with pytest.raises(MlflowException, match="cannot be scored"):
        broken.predict(None, pd.DataFrame({"items": [column]}), {"k": 1})


def test_there_is_no_pickle_in_it(bundle: Bundle, model: str):
    uploaded = artifact_folder(get_version(model, "1")).parents[1]
    suffixes = {path.suffix for path in uploaded.rglob("*") if path.is_file()}
    assert suffixes <= {"", ".json", ".parquet", ".py", ".txt", ".yaml"}


def test_a_damaged_bundle_is_not_loaded(bundle: Bundle, model: str):
    flip_byte(artifact_folder(get_version(model, "1")) / "arm" / "item_ids.parquet")
    with pytest.raises(ArtifactDamaged, match=r"arm/item_ids\.parquet"):
        mlflow.pyfunc.load_model(f"models:/{model}@champion")


class _Planted:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


class _Harmless(mlflow.pyfunc.PythonModel):
    def predict(self, context: object, model_input: list[str]) -> list[str]:
        return model_input


@pytest.mark.parametrize(("allowed", "executed"), [("false", False), ("true", True)])
def test_a_planted_pickle_is_executed_only_where_pickles_are_allowed(
    mlflow_here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: str, executed: bool
):
    """The second case shows that the plant works; `configure` sets the first."""
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    folder, marker = tmp_path / "model", tmp_path / "marker"
    mlflow.pyfunc.save_model(str(folder), python_model=_Harmless(), pip_requirements=[])
    (folder / "python_model.pkl").write_bytes(pickle.dumps(_Planted(marker)))
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", allowed)
    with pytest.raises((MlflowException, AttributeError, TypeError)):
        mlflow.pyfunc.load_model(str(folder))
    assert marker.exists() is executed
