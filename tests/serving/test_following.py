"""The alias moves under load, points at a broken bundle, or cannot be read: the server serves on and says so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from components.registry import tracking
from tests.registry.conftest import artifact_folder, flip_byte
from tests.serving.world import ITEMS, World, ask, items_of, serving, until

MOVES, REQUESTS = 10, 500


def serves(client: httpx.Client, version: str) -> Callable[[], bool]:
    return lambda: client.get("/ready").json()["champion"]["serving"] == version


def test_no_failed_and_no_mixed_answer_while_the_alias_moves_ten_times_under_500_requests(world: World):
    """Each version's titles end in its mark and its lists begin elsewhere, so a mixed answer shows."""
    moved = [world.register("one", champion=True), world.register("two", first=7)]
    first = {version.version: start for version, start in zip(moved, (0, 7), strict=True)}
    with serving(world.config(poll_seconds=0.02)) as client:
        base, answers, done = str(client.base_url), [], threading.Event()

        def load(number: int) -> None:
            with httpx.Client(base_url=base, timeout=60) as own:
                mine = []
                while not done.is_set() or len(mine) < REQUESTS // 4:
                    mine.append(own.post("/v1/recommendations", json={"user_id": f"u{number}", "k": 5}))
                answers.extend(mine)

        with ThreadPoolExecutor(4) as clients:
            running = [clients.submit(load, number) for number in range(4)]
            for move in range(MOVES):
                wanted = moved[(move + 1) % 2]
                world.point("champion", wanted)
                until(serves(client, wanted.version))
            done.set()
            for client_thread in running:
                client_thread.result()
        assert len(answers) >= REQUESTS
        assert {answer.status_code for answer in answers} == {200}
        told = [answer.json() for answer in answers]
        assert {answer["model"]["version"] for answer in told} == set(first)
        for answer in told:
            version = answer["model"]["version"]
            start = first[version]
            assert items_of(answer) == ITEMS[start : start + 5]
            assert all(item["title"].endswith(f" {world.marks[version]}") for item in answer["items"])
        digests = {(a["model"]["version"], a["model"]["bundle"]) for a in told}
        assert len(digests) == 2
        metrics = client.get("/metrics").text
    assert f'recloop_version_swaps_total{{variant="champion"}} {MOVES + 1}.0' in metrics


def test_a_broken_bundle_leaves_the_old_version_serving_and_is_told(world: World):
    whole = world.register("whole", champion=True)
    broken = world.register("broken", first=3)
    flip_byte(_arm_table(artifact_folder(broken)))
    with serving(world.config()) as client:
        world.point("champion", broken)
        until(lambda: bool(client.get("/ready").json()["champion"]["problem"]))
        ready = client.get("/ready")
        assert ready.status_code == 200
        state = ready.json()["champion"]
        assert (state["serving"], state["wanted"]) == (whole.version, broken.version)
        assert f"version {broken.version} cannot be loaded: ArtifactDamaged" in state["problem"]
        assert ask(client, history=[])["model"]["version"] == whole.version
        metrics = client.get("/metrics").text
        assert 'recloop_version_lags{variant="champion"} 1.0' in metrics
        assert 'recloop_version_load_failures{variant="champion"} 0.0' not in metrics
        world.point("champion", whole)
        until(lambda: not client.get("/ready").json()["champion"]["problem"])


def test_without_a_champion_it_lives_and_is_not_ready_until_there_is_one(world: World):
    version = world.register("first")  # challenger only
    with serving(world.config(), wait=False) as client:
        assert client.get("/health").status_code == 200
        until(lambda: "no version of" in client.get("/ready").json()["champion"]["problem"])
        assert client.get("/ready").status_code == 503
        refused = client.post("/v1/recommendations", json={"user_id": "ada"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not_ready")
        assert refused.headers["retry-after"] == "2"
        world.point("champion", version)
        until(lambda: client.get("/ready").status_code == 200)
        assert ask(client, user_id="ada")["model"]["version"] == version.version


def test_an_outage_of_the_registry_is_told_and_the_version_serves_on(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """The registry's address changes to one where nothing answers: reads fail, lists go on."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    version = world.register("one", champion=True)
    with serving(world.config(alias_max_age_seconds=1.0)) as client:
        tracking.configure("http://127.0.0.1:9")  # the discard port: nobody listens
        until(lambda: "champion cannot be read" in client.get("/ready").json()["champion"]["problem"])
        until(lambda: client.get("/ready").status_code == 503)
        assert ask(client, user_id="ada")["model"]["version"] == version.version
        tracking.configure(world.tracking_uri)
        until(lambda: client.get("/ready").status_code == 200)


def _arm_table(bundle: Path) -> Path:
    return bundle / "arm" / "item_ids.parquet"
