"""A reviewer's tag moves the champion within 10 s, by webhook or by poll, once, across restarts of either side."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.data.ledger import promotions
from components.data.warehouse import Engine, open_warehouse
from components.registry import tracking
from components.registry.policy import AUTO, PromotionPolicy
from components.registry.receiver import receiving
from components.registry.versions import aliases, champion
from components.registry.watcher import WatchEvent, watch_approvals
from components.registry.webhook import ensure_webhook, remove_webhook
from tests.registry.conftest import tagged_version
from tests.registry.crashing import killed_at
from tests.registry.servers import free_port, mlflow_server, seconds_until

PROMISED_SECONDS = 10.0
NEVER = 600.0


class Watching:
    def __init__(self) -> None:
        self.wake, self.stop, self.events = threading.Event(), threading.Event(), list[WatchEvent]()

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


@contextmanager
def watching(
    url: str, model: str, *, poll_seconds: float = 1.0, policy: PromotionPolicy = AUTO
) -> Iterator[Watching]:
    """A watcher in a thread, as a process of its own would be: with its own connections."""
    watched = Watching()
    thread = threading.Thread(
        target=watch_approvals,
        args=(open_warehouse(url), model, policy),
        kwargs={
            "poll_seconds": poll_seconds,
            "wake": watched.wake,
            "stop": watched.stop,
            "on_event": watched.events.append,
        },
    )
    thread.start()
    try:
        yield watched
    finally:
        watched.stop.set()
        thread.join(30)
        assert not thread.is_alive()


def approve(model: str, version: str) -> None:
    MlflowClient().set_model_version_tag(model, version, "validation_status", "approved")


def is_champion(model: str, version: str) -> bool:
    return aliases(model).get("champion") == version


def test_the_webhook_moves_it_without_a_poll(server: str, warehouse_url: str, warehouse: Engine):
    model = "by-webhook"
    tagged_version(model, verdict="HOLD")
    with (
        watching(warehouse_url, model, poll_seconds=NEVER) as watched,
        receiving("secret", lambda _: watched.wake.set()) as url,
    ):
        ensure_webhook(model_name=model, url=url, secret="secret")
        time.sleep(2.5)  # the server keeps its list of webhooks for 2 s
        approve(model, "1")
        assert seconds_until(lambda: is_champion(model, "1"), at_most=PROMISED_SECONDS) < PROMISED_SECONDS
        seconds_until(lambda: "moved" in watched.kinds(), at_most=PROMISED_SECONDS)
    remove_webhook(model)
    (entry,) = promotions(warehouse, model)
    assert (entry.actor, entry.verdict) == ("reviewer", "HOLD")


def test_the_poll_moves_it_where_no_webhook_comes(mlflow_here: str, warehouse_url: str, warehouse: Engine):
    model = "by-poll"
    tagged_version(model, approved_by="grace")
    with watching(warehouse_url, model) as watched:
        approve(model, "1")
        seconds_until(lambda: is_champion(model, "1"), at_most=PROMISED_SECONDS)
        seconds_until(lambda: "moved" in watched.kinds(), at_most=PROMISED_SECONDS)
        time.sleep(2.5)
    assert watched.kinds() == ["moved"]
    assert [entry.actor for entry in promotions(warehouse, model)] == ["grace"]


def test_what_stays_as_it_is_is_told_once(mlflow_here: str, warehouse_url: str, warehouse: Engine):
    model = "told-once"
    policy = PromotionPolicy(mode="approve", two_person=True)
    tagged_version(model, **{"recloop.started_by": "ada"})
    with watching(warehouse_url, model, poll_seconds=0.2, policy=policy) as watched:
        approve(model, "1")
        seconds_until(lambda: "refused" in watched.kinds(), at_most=PROMISED_SECONDS)
        MlflowClient().set_registered_model_alias(model, "champion", "1")
        seconds_until(lambda: "drift" in watched.kinds(), at_most=PROMISED_SECONDS)
        time.sleep(2)
    assert watched.kinds().count("drift") == 1
    assert len(watched.kinds()) <= 3  # the approval, the alias, and the approval under the alias
    assert promotions(warehouse, model) == []


def test_two_watchers_and_a_restart_of_each_act_once(mlflow_here: str, warehouse_url: str, warehouse: Engine):
    model = "acts-once"
    tagged_version(model)
    approve(model, "1")
    with (
        watching(warehouse_url, model, poll_seconds=0.2),
        watching(warehouse_url, model, poll_seconds=0.2),
    ):
        seconds_until(lambda: is_champion(model, "1"), at_most=PROMISED_SECONDS)
    with watching(warehouse_url, model, poll_seconds=0.2) as watched:
        time.sleep(2)
    assert watched.events == []
    assert len(promotions(warehouse, model)) == 1


@pytest.mark.parametrize("point", ["promote:after-ledger", "promotion:after-alias"])
def test_a_watcher_that_was_killed_in_the_move_is_made_up_for(
    mlflow_here: str, warehouse_url: str, warehouse: Engine, point: str
):
    model = f"killed-{point.replace(':', '-')}"
    tagged_version(model)
    approve(model, "1")
    warehouse.dispose()

    def watch() -> None:
        with watching(warehouse_url, model, poll_seconds=0.2):
            time.sleep(NEVER)

    killed_at(point, watch)
    with watching(warehouse_url, model, poll_seconds=0.2):
        seconds_until(lambda: is_champion(model, "1"), at_most=PROMISED_SECONDS)
    assert len(promotions(warehouse, model)) == 1


def test_the_server_may_be_killed_and_come_back(
    tmp_path: Path, mlflow_here: str, warehouse_url: str, warehouse: Engine, monkeypatch: pytest.MonkeyPatch
):
    """The approval was set before the kill, and nobody was there to act; the watcher waits the outage out."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    port, model = free_port(), "restarted"
    folder = tmp_path / "server"
    folder.mkdir()
    with mlflow_server(folder, port=port) as url:
        tracking.configure(url)
        tagged_version(model)
        ensure_webhook(model_name=model, url="http://127.0.0.1:9/mlflow", secret="secret")
        approve(model, "1")
    with watching(warehouse_url, model, poll_seconds=0.5) as watched:
        seconds_until(lambda: "unreachable" in watched.kinds(), at_most=30)
        with mlflow_server(folder, port=port):
            seconds_until(lambda: "moved" in watched.kinds(), at_most=30)
            assert champion(model).version == "1"
            ensure_webhook(model_name=model, url="http://127.0.0.1:9/mlflow", secret="other")
            assert len(MlflowClient().list_webhooks()) == 1  # the key was kept: it can be read
    assert watched.kinds().count("unreachable") <= 2  # its last words may differ while the server starts
    assert len(promotions(warehouse, model)) == 1
