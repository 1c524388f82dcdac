"""Who may move the champion, by the settings, and the watch on approvals in MLflow's UI."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from components.registry import promotion
from components.registry.receiver import PATH, receiving
from components.registry.smoke_test import SmokeTest
from components.registry.tracking import TrackingUnreachable
from components.registry.watcher import WatchEvent, watch_approvals
from components.registry.webhook import WebhooksUnavailable, ensure_webhook, remove_webhook
from flows.local.secrets import kept_secret
from flows.settings import LOOPBACK, Settings, load_settings
from flows.warehouse import warehouse


def policy_now() -> promotion.PromotionPolicy:
    """What the settings ask of a promotion."""
    settings = load_settings()
    return promotion.PromotionPolicy(mode=settings.promotion_policy, two_person=settings.two_person_rule)


def smoke_test() -> SmokeTest:
    """A new champion has to load and to answer a handful of histories."""
    return SmokeTest(artifacts=load_settings().artifacts, check=_serves)


@contextmanager
def watching_approvals(settings: Settings, tell: Callable[[str], None]) -> Iterator[None]:
    """Act on approvals while the block runs: woken by MLflow's webhook where it can be had, and by a poll.

    MLflow's client must point at the registry. `tell` is called from another thread.
    """
    wake, stop = threading.Event(), threading.Event()
    watcher = threading.Thread(
        target=watch_approvals,
        args=(warehouse(), settings.model_name, policy_now()),
        kwargs={
            "wake": wake,
            "stop": stop,
            "on_event": lambda event: tell(_line(event)),
            "smoke": smoke_test(),
        },
        name="approvals",
        daemon=True,
    )
    with ExitStack() as open_:
        tell(_by_webhook(settings, wake, open_))
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            wake.set()
            watcher.join()


def _by_webhook(settings: Settings, wake: threading.Event, open_: ExitStack) -> str:
    """Take MLflow's webhook until `open_` closes, if it can be had; in a line, how approvals arrive."""
    address = settings.webhook_url
    if address is None and settings.mlflow_is_local:
        address = f"http://{LOOPBACK}:{settings.approvals_port}{PATH}"
    if address is None:
        return "approvals are polled for; RECLOOP_WEBHOOK_URL would let MLflow tell of them"
    secret = kept_secret(settings.home / "webhook.secret", lambda: secrets.token_urlsafe(32))
    try:
        open_.enter_context(receiving(secret, lambda _: wake.set(), port=settings.approvals_port))
        ensure_webhook(model_name=settings.model_name, url=address, secret=secret)
    except OSError:
        return f"approvals are polled for: port {settings.approvals_port} (RECLOOP_APPROVALS_PORT) is in use"
    except (WebhooksUnavailable, TrackingUnreachable) as error:
        return str(error)
    open_.callback(remove_webhook, settings.model_name)
    return "approvals arrive by MLflow's webhook, and by a poll"


def _line(event: WatchEvent) -> str:
    return event.text if event.kind == "moved" else f"{event.kind}: {event.text}"


def _serves(bundle: Path) -> None:
    from components.serving.smoke import check_serves  # torch, 2 s: only when something moves

    check_serves(bundle)
