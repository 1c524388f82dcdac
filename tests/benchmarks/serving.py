"""The scoring server under load: latency with one client, requests a second with sixteen, over HTTP on loopback.

The arm that ships, untrained (speed does not depend on what was learned), over a catalogue of the given size;
users and their features online in a real store; server, clients and registry on this machine. Beside it, what
the arm alone needs for a batch, so that one sees what HTTP, Feast and queueing add.
"""

from __future__ import annotations

import http.client
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from tests.benchmarks.surroundings import CHECKOUT, single_thread

NUM_ITEMS, NUM_USERS, EVENTS_EACH = 12_101, 500, 20  # as many items as Beauty has
WARM_UP, ALONE, TOGETHER, CLIENTS = 50, 400, 2_400, 16
PLACES = 10
START_SECONDS = 180.0
_MODEL = "served"


def serving(num_items: int = NUM_ITEMS) -> dict[str, float]:
    """Milliseconds at one client (median, p95, p99), and requests a second and latency at sixteen."""
    with tempfile.TemporaryDirectory(prefix="recloop-bench-") as folder:
        home = Path(folder)
        prepare(home, num_items)
        with open(home / "server.log", "wb") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.serving_process", str(home)],
                cwd=CHECKOUT,
                env=single_thread(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
            try:
                address = _ready(server, home / "server.log")
                return _measure(address)
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(60)


def prepare(home: Path, num_items: int) -> None:
    """A champion in a registry under `home`, and features of all users online."""
    from mlflow import MlflowClient

    from components.features.sequences import user_sequences
    from components.features.store.offline import write_user_sequences
    from components.features.store.online import materialize
    from components.features.store.opening import apply_definitions, open_store
    from components.registry import tracking
    from components.registry.bundle import open_bundle
    from components.registry.registration import register_bundle

    uri = f"sqlite:///{home}/mlflow.db"
    MlflowClient(uri).create_experiment("recloop", artifact_location=str(home / "mlflow"))
    tracking.configure(uri)
    bundle = open_bundle(untrained_bundle(home, num_items))
    run = tracking.open_run(experiment="recloop", cycle="bench", name="bench", tags={})
    version = register_bundle(bundle, run=run, model_name=_MODEL, verdict="PROMOTE", metrics={}, tags={})
    MlflowClient(uri).set_registered_model_alias(_MODEL, "champion", version.version)
    store = open_store(home / "feast")
    apply_definitions(store, feature_set="f" * 12)
    now = pd.Timestamp.now("UTC").floor("s")
    write_user_sequences(store.home, user_sequences(_events(num_items, now), cutoff=now.to_pydatetime()))
    materialize(store, end=now.to_pydatetime())


def untrained_bundle(
    home: Path, num_items: int, codes: np.ndarray | None = None, item_ids: np.ndarray | None = None
) -> Path:
    """The arm that ships, after one pass over a handful of users; by default no two items share a last code."""
    from components.recommender.arms.mmgrec import train_mmgrec
    from components.recommender.presets import default_mmgrec
    from components.recommender.sequences import TrainingSequences
    from components.registry.bundle import BundleFacts, build_bundle

    rng = np.random.default_rng(0)
    if item_ids is None:
        item_ids = np.array([f"{item:06d}" for item in range(num_items)], dtype=object)
    if codes is None:
        columns = [np.arange(num_items) // 47 % 256, rng.integers(0, 256, num_items), np.arange(num_items)]
        codes = np.stack(columns, axis=1)
    config = default_mmgrec("sparse")
    seen = rng.integers(0, num_items, (50, EVENTS_EACH))
    sequences = TrainingSequences.from_lists([item_ids[row].tolist() for row in seen], item_ids=item_ids)
    arm = train_mmgrec(sequences, codes, replace(config, training=replace(config.training, epochs=1)), seed=7)
    ref = build_bundle(
        home / "made",
        write_arm=arm.save,
        write_tokenizer=lambda folder: _write_ids(folder, item_ids, codes),
        items=pd.DataFrame({"item_id": item_ids, "title": item_ids, "categories": None}),
        facts=BundleFacts(
            arm=arm.name,
            train_end="2025-01-01T00:00:00+00:00",
            snapshot="5" * 64,
            feature_set="f" * 64,
            tokenizer="7" * 64,
            id_table="1" * 64,
            seed=7,
            code="c" * 64,
        ),
    )
    return Path(ref.path)


def _write_ids(folder: Path, item_ids: np.ndarray, codes: np.ndarray) -> None:
    columns = {"item_id": item_ids} | {f"code_{level}": codes[:, level] for level in range(codes.shape[1])}
    pd.DataFrame(columns).to_parquet(folder / "semantic_ids.parquet")


def _events(num_items: int, now: pd.Timestamp) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    number = NUM_USERS * EVENTS_EACH
    return pd.DataFrame(
        {
            "event_id": [f"e{event}" for event in range(number)],
            "user_id": [f"u{event // EVENTS_EACH}" for event in range(number)],
            "item_id": [f"{item:06d}" for item in rng.integers(0, num_items, number)],
            "event_type": "view",
            "timestamp": now - pd.to_timedelta(rng.integers(60, 86_400, number), unit="s"),
        }
    )


def _ready(server: subprocess.Popen[str], log: Path) -> str:
    assert server.stdout is not None
    address, end = server.stdout.readline().strip(), time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        if address and _ask(address, "GET", "/ready", None)[0] == 200:
            return address
        time.sleep(0.2)
    raise RuntimeError(f"the server did not get ready: {log.read_text()[-2000:]}")


def _ask(address: str, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def _measure(address: str) -> dict[str, float]:
    _drive(address, WARM_UP, clients=1)
    _drive(address, 4 * CLIENTS, clients=CLIENTS)
    alone, _ = _drive(address, ALONE, clients=1)
    before = _scored(address)
    together, seconds = _drive(address, TOGETHER, clients=CLIENTS)
    after = _scored(address)
    return {
        **{f"one_client_{name}": value for name, value in _figures(alone).items()},
        **{f"sixteen_clients_{name}": value for name, value in _figures(together).items()},
        "requests_per_second": TOGETHER / seconds,
        "mean_batch": TOGETHER / (after[0] - before[0]),
        "scoring_ms_per_batch": (after[1] - before[1]) / (after[0] - before[0]) * 1e3,
    }


def _drive(address: str, requests: int, *, clients: int) -> tuple[list[float], float]:
    """Latencies of all requests in ms, and the seconds that the whole took."""
    taken: list[float] = []

    def run(number: int) -> None:
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        for at in range(requests // clients):
            body = json.dumps({"user_id": f"u{(number * 31 + at) % NUM_USERS}", "k": PLACES})
            begin = time.perf_counter()
            connection.request("POST", "/v1/recommendations", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            told = answer.read()
            taken.append((time.perf_counter() - begin) * 1e3)
            assert answer.status == 200, told
        connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == requests // clients * clients
    return taken, time.perf_counter() - begin


def _figures(taken: list[float]) -> dict[str, float]:
    cut = statistics.quantiles(taken, n=100)
    return {"p50_ms": cut[49], "p95_ms": cut[94], "p99_ms": cut[98]}


def _scored(address: str) -> tuple[float, float]:
    """Batches scored so far, and the seconds they took."""
    text = _ask(address, "GET", "/metrics", None)[1].decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return float(values["recloop_scoring_seconds_count"]), float(values["recloop_scoring_seconds_sum"])
