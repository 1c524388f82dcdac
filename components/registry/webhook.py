"""MLflow's registry webhook: asked for once, and what it delivers believed only when signed, fresh and new.

MLflow 3.17 signs `<delivery id>.<unix seconds>.<body>` with HMAC-SHA256 and sends "v1,<base64>" (see
`mlflow.webhooks.delivery`). It repeats a delivery under its id after a 429 or 5xx, and keeps the list of
webhooks for MLFLOW_WEBHOOK_CACHE_TTL seconds, so a new webhook may miss what is done in its first minute. A
delivery is a reason to look, never the truth: what is approved is read from the registry.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.webhook import Webhook, WebhookStatus
from mlflow.exceptions import MlflowException
from mlflow.webhooks.constants import (
    WEBHOOK_DELIVERY_ID_HEADER,
    WEBHOOK_SIGNATURE_HEADER,
    WEBHOOK_SIGNATURE_VERSION,
    WEBHOOK_TIMESTAMP_HEADER,
)

from components.registry.registered import TrackingRefused
from components.registry.tracking import TrackingUnreachable, reaching_tracking

EVENTS = (
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
)
TOLERANCE_SECONDS = 300.0
_PAGE = 100


class WebhooksUnavailable(Exception):
    """This MLflow sends no webhooks, or not to this address: says why, and that approvals are polled for."""


class DeliveryRefused(Exception):
    """What came in is not acted on."""


class BadSignature(DeliveryRefused):
    """It was not signed with the secret, or is not what was signed."""


class StaleDelivery(DeliveryRefused):
    """It was sent too long ago, or in the future."""


class ReplayedDelivery(DeliveryRefused):
    """It has come before."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One verified event of the registry."""

    id: str
    event: str  # one of EVENTS, or another that MLflow knows
    model: str
    version: str | None  # None where MLflow tells none: an alias that was deleted
    key: str | None  # of a tag
    value: str | None
    alias: str | None


@dataclass(kw_only=True)
class SeenDeliveries:
    """Ids of the deliveries that were taken, for as long as their time stamp would still be taken."""

    until: dict[str, float] = field(default_factory=dict)  # id -> unix seconds

    def add(self, delivery_id: str, *, now: float) -> None:
        """Raises ReplayedDelivery if it was added before."""
        for old in [known for known, end in self.until.items() if end < now]:
            del self.until[old]
        if delivery_id in self.until:
            raise ReplayedDelivery(f"delivery {delivery_id} has been taken before")
        self.until[delivery_id] = now + 2 * TOLERANCE_SECONDS  # a stamp may lie that far ahead


def verify_delivery(
    headers: Mapping[str, str],
    body: bytes,
    *,
    secret: str,
    seen: SeenDeliveries,
    clock: Callable[[], float] = time.time,
) -> Delivery:
    """The event of a delivery whose signature, age and id are in order.

    `headers` by any capitalisation. Raises BadSignature, StaleDelivery, ReplayedDelivery, and DeliveryRefused
    for a signed body that is no event of a model.
    """
    sent = {key.lower(): value for key, value in headers.items()}
    delivery_id, stamp, signature = (
        sent.get(header.lower(), "")
        for header in (WEBHOOK_DELIVERY_ID_HEADER, WEBHOOK_TIMESTAMP_HEADER, WEBHOOK_SIGNATURE_HEADER)
    )
    expected = signature_of(body, secret=secret, delivery_id=delivery_id, stamp=stamp)
    if not delivery_id or not hmac.compare_digest(signature.encode(), expected.encode()):
        raise BadSignature("the delivery is not signed with the secret of this webhook")
    now = clock()
    if not stamp.isdecimal() or abs(now - int(stamp)) > TOLERANCE_SECONDS:
        raise StaleDelivery(f"sent at {stamp!r}, which is not within {TOLERANCE_SECONDS:.0f} s of now")
    delivery = _event(delivery_id, body)
    seen.add(delivery_id, now=now)
    return delivery


def signature_of(body: bytes, *, secret: str, delivery_id: str, stamp: str) -> str:
    """What MLflow writes into X-MLflow-Signature."""
    signed = f"{delivery_id}.{stamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"{WEBHOOK_SIGNATURE_VERSION},{base64.b64encode(digest).decode()}"


@reaching_tracking()
def ensure_webhook(*, model_name: str, url: str, secret: str) -> str:
    """Let MLflow's server tell `url` of tags and aliases; returns the webhook's id.

    However often it is called there is one webhook of a model, with this address and secret. Raises
    WebhooksUnavailable if the server cannot keep or send it, TrackingUnreachable.
    """
    client = MlflowClient()
    name = f"recloop-approvals-{model_name}"
    settings: dict[str, Any] = {"url": url, "events": list(EVENTS), "secret": secret}
    settings["status"] = WebhookStatus.ACTIVE
    try:
        mine = [hook for hook in _webhooks(client) if hook.name == name]
        for double in mine[1:]:
            client.delete_webhook(double.webhook_id)
        if mine:
            return str(client.update_webhook(mine[0].webhook_id, **settings).webhook_id)
        return str(client.create_webhook(name, **settings).webhook_id)
    except MlflowException as error:
        if error.error_code == "TEMPORARILY_UNAVAILABLE":
            raise
        raise WebhooksUnavailable(
            f"MLflow takes no webhook to {url} ({_short(error)}). Approvals are polled for instead. A local "
            "server sends webhooks if it is started by `recloop ui`; another one needs an https address, and "
            "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY, the same at every start."
        ) from error


def remove_webhook(model_name: str) -> None:
    """Take the webhook of a model back; nothing if there is none, or if MLflow does not answer."""
    try:
        with reaching_tracking():
            client = MlflowClient()
            for hook in _webhooks(client):
                if hook.name == f"recloop-approvals-{model_name}":
                    client.delete_webhook(hook.webhook_id)
    except (TrackingUnreachable, TrackingRefused, MlflowException):
        return  # the next start finds and updates it


def _webhooks(client: MlflowClient) -> list[Webhook]:
    found: list[Webhook] = []
    page = client.list_webhooks(max_results=_PAGE)
    found += page
    while page.token:
        page = client.list_webhooks(max_results=_PAGE, page_token=page.token)
        found += page
    return found


def _event(delivery_id: str, body: bytes) -> Delivery:
    try:
        told = json.loads(body)
        data = told["data"]
        return Delivery(
            id=delivery_id,
            event=f"{told['entity']}.{told['action']}",
            model=str(data["name"]),
            version=data.get("version"),
            key=data.get("key"),
            value=data.get("value"),
            alias=data.get("alias"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeliveryRefused(f"the delivery is signed, and is no event of a model ({error!r})") from error


def _short(error: MlflowException) -> str:
    return str(error).splitlines()[0][:200]
