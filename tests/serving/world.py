"""A real server on loopback over a real MLflow database and a real feature store, with small real bundles."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
from mlflow import MlflowClient

from components.features.sequences import user_sequences
from components.features.store.offline import write_user_sequences
from components.features.store.online import materialize
from components.features.store.opening import apply_definitions, open_store
from components.recommender.baselines.popularity import fit_popularity
from components.registry import tracking
from components.registry.bundle import BundleFacts, build_bundle, open_bundle
from components.registry.registration import register_bundle
from components.registry.versions import RegisteredVersion
from components.serving.config import ServerConfig
from components.serving.server import make_server
from tests.features.rows import events

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ITEMS = [f"i{number:02d}" for number in range(20)]
WAIT_SECONDS = 60.0


@dataclass(kw_only=True)
class World:
    """A registry with a model of its own, and a feature store."""

    home: Path
    tracking_uri: str
    model_name: str
    marks: dict[str, str] = field(default_factory=dict)  # version → how its titles end

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.tracking_uri)

    def config(self, **changes: object) -> ServerConfig:
        plain = ServerConfig(
            model_name=self.model_name,
            tracking_uri=self.tracking_uri,
            artifacts=self.home / "fetched",
            feast_home=self.home / "feast",
            poll_seconds=0.1,
            port=0,
        )
        return replace(plain, **changes)  # type: ignore[arg-type]

    def register(
        self, mark: str, *, first: int = 0, champion: bool = False, tags: dict[str, str] | None = None
    ) -> RegisteredVersion:
        """A popularity arm that ranks the items from `first` on, round about; its titles end in `mark`."""
        tracking.configure(self.tracking_uri)
        order = ITEMS[first:] + ITEMS[:first]
        counts = {item: len(order) - place for place, item in enumerate(order)}
        seen = np.array([item for item, count in counts.items() for _ in range(count)], dtype=object)
        titles = [f"Film {item} {mark}" for item in ITEMS]
        genres = ["Drama" if place % 2 else "Comedy|Drama" for place in range(len(ITEMS))]
        ref = build_bundle(
            self.home / "made",
            write_arm=fit_popularity(seen).save,
            write_tokenizer=None,
            items=pd.DataFrame({"item_id": ITEMS, "title": titles, "categories": genres}),
            facts=_facts(first),
        )
        run = tracking.open_run(
            experiment="recloop", cycle=f"{self.model_name}-{mark}", name="cycle", tags={}
        )
        version = register_bundle(
            open_bundle(ref.path),
            run=run,
            model_name=self.model_name,
            verdict="PROMOTE",
            metrics={},
            tags=tags or {},
        )
        self.marks[version.version] = mark
        if champion:
            self.point("champion", version)
        return version

    def point(self, alias: str, version: RegisteredVersion) -> None:
        self.client.set_registered_model_alias(self.model_name, alias, version.version)

    def go_online(self, *rows: tuple[str, str, datetime], cut: datetime) -> None:
        """A retraining's features: the events before the cut, materialized."""
        log = events(*((user, item, moment.timestamp()) for user, item, moment in rows))
        store = open_store(self.home / "feast")
        apply_definitions(store, feature_set="f" * 12)
        write_user_sequences(store.home, user_sequences(log, cutoff=cut))
        materialize(store, end=cut)


def _facts(seed: int) -> BundleFacts:
    return BundleFacts(
        arm="popularity",
        train_end="2026-11-01T00:00:00+00:00",
        snapshot="5" * 64,
        feature_set="f" * 64,
        tokenizer=None,
        id_table=None,
        seed=seed,
        code="c" * 64,
    )


@contextmanager
def serving(
    config: ServerConfig, *, now: Callable[[], datetime] = lambda: NOW, wait: bool = True
) -> Iterator[httpx.Client]:
    """The server in a thread, on a free port of loopback; a client of it."""
    server = make_server(config, now=now)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        assert server.started, "the server did not start"
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_SECONDS) as client:
            if wait:
                until(lambda: client.get("/ready").status_code == 200)
            yield client
    finally:
        server.should_exit = True
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive(), "the server did not stop"


def until(holds: Callable[[], bool], *, seconds: float = WAIT_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.02)


def ask(client: httpx.Client, **asked: object) -> dict:
    answer = client.post("/v1/recommendations", json=asked)
    assert answer.status_code == 200, answer.text
    told: dict = answer.json()
    return told


def items_of(answer: dict) -> list[str]:
    return [item["item_id"] for item in answer["items"]]
