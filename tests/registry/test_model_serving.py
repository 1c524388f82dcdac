"""`mlflow models serve` answers with the champion, from whatever folder it is started in."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from components.registry.bundle import Bundle
from components.registry.registration import register_bundle
from components.registry.tracking import TrackingRun
from components.serving.scorer import load_scorer
from tests.registry.servers import await_answer, free_port, started


def ask(url: str, frame: pd.DataFrame, k: int) -> pd.DataFrame:
    told = {"dataframe_split": frame.to_dict(orient="split"), "params": {"k": k}}
    request = urllib.request.Request(
        f"{url}/invocations", json.dumps(told).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return pd.DataFrame(json.load(answer)["predictions"])


def test_it_serves_from_a_folder_of_its_own_what_the_scorer_says(
    bundle: Bundle, run: TrackingRun, tmp_path: Path
):
    """A folder that holds other packages called `components` and `flows` must not stand in the way."""
    model, port = "serves", free_port()
    register_bundle(bundle, run=run, model_name=model, verdict="PROMOTE", metrics={}, tags={})
    MlflowClient().set_registered_model_alias(model, "champion", "1")
    elsewhere = tmp_path / "elsewhere"
    for name in ("components", "flows"):
        (elsewhere / name).mkdir(parents=True)
        (elsewhere / name / "__init__.py").write_text("raise ImportError('not the one of recloop')")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environ["PATH"] = (
        f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"  # `serve` looks for uvicorn
    )
    command = [sys.executable, "-P", "-m", "mlflow", "models", "serve", "-m", f"models:/{model}@champion"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    histories = pd.DataFrame({"user_id": ["u", "v"], "item_ids": [["a"], ["c", "stranger"]]})
    with started(command, elsewhere, environ) as child:
        url = f"http://127.0.0.1:{port}"
        await_answer(f"{url}/ping", child, elsewhere / "process.log")
        answer = ask(url, histories, 3)
        for wrong, k in ((histories, 0), (histories.assign(times=[[1, 2], []]), 3)):
            with pytest.raises(urllib.error.HTTPError) as refused:
                ask(url, wrong, k)
            told = refused.value.read().decode()
            assert refused.value.code == 400
            assert "k is 0" in told or "2 times" in told
            assert "Traceback" not in told
            assert "stack_trace" not in told
    expected = load_scorer(bundle.path).recommend(histories, k=3)
    pd.testing.assert_frame_equal(answer[expected.columns.tolist()], expected, check_dtype=False)
