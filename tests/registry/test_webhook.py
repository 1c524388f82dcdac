"""A delivery is believed only if signed, fresh and new; the real server keeps one webhook and signs like this."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.webhooks.delivery import _generate_hmac_signature

from components.registry import tracking
from components.registry.receiver import receiving
from components.registry.webhook import (
    EVENTS,
    BadSignature,
    Delivery,
    DeliveryRefused,
    ReplayedDelivery,
    SeenDeliveries,
    StaleDelivery,
    WebhooksUnavailable,
    ensure_webhook,
    remove_webhook,
    signature_of,
    verify_delivery,
)
from components.registry.webhook_server import new_encryption_key
from tests.registry.conftest import tagged_version
from tests.registry.servers import mlflow_server, seconds_until

SECRET, NOW = "s3cret", 1_800_000_000
TAG = {"name": "m", "version": "2", "key": "validation_status", "value": "approved"}
BODY = json.dumps({"entity": "model_version_tag", "action": "set", "timestamp": "t", "data": TAG}).encode()


def headers(
    body: bytes = BODY, *, at: int = NOW, delivery_id: str = "d1", secret: str = SECRET
) -> dict[str, str]:
    return {
        "x-mlflow-delivery-id": delivery_id,
        "X-MLFLOW-TIMESTAMP": str(at),
        "X-MLflow-Signature": signature_of(body, secret=secret, delivery_id=delivery_id, stamp=str(at)),
    }


def verify(
    sent: dict[str, str], body: bytes = BODY, seen: SeenDeliveries | None = None, now: float = NOW
) -> Delivery:
    return verify_delivery(sent, body, secret=SECRET, seen=seen or SeenDeliveries(), clock=lambda: now)


def test_the_signature_is_the_one_that_mlflow_makes():
    ours = signature_of(BODY, secret=SECRET, delivery_id="d1", stamp=str(NOW))
    assert ours == _generate_hmac_signature(SECRET, "d1", str(NOW), BODY.decode())


def test_a_signed_delivery_is_an_event():
    assert verify(headers()) == Delivery(
        id="d1",
        event="model_version_tag.set",
        model="m",
        version="2",
        key="validation_status",
        value="approved",
        alias=None,
    )


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (headers(secret="other"), BODY),
        (headers(), BODY.replace(b'"2"', b'"3"')),
        (headers() | {"x-mlflow-delivery-id": "d2"}, BODY),
        (headers() | {"X-MLFLOW-TIMESTAMP": str(NOW + 1)}, BODY),
        (headers() | {"X-MLflow-Signature": "v1,é"}, BODY),
        ({}, BODY),
    ],
)
def test_what_is_not_signed_so_is_refused(sent: dict[str, str], body: bytes):
    with pytest.raises(BadSignature):
        verify(sent, body)


@pytest.mark.parametrize(
    ("late", "taken"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)]
)
def test_only_fresh_deliveries_are_taken(late: int, taken: bool):
    if taken:
        assert verify(headers(), now=NOW + late).id == "d1"
    else:
        with pytest.raises(StaleDelivery):
            verify(headers(), now=NOW + late)


def test_a_delivery_is_taken_once_for_as_long_as_it_is_fresh():
    seen = SeenDeliveries()
    verify(headers(at=NOW + 300), seen=seen)
    for later in (0, 300, 600):
        with pytest.raises(ReplayedDelivery):
            verify(headers(at=NOW + 300), seen=seen, now=NOW + later)
    with pytest.raises(StaleDelivery):
        verify(headers(at=NOW + 300), seen=seen, now=NOW + 601)
    verify(headers(at=NOW + 2000, delivery_id="d9"), seen=seen, now=NOW + 2000)
    assert list(seen.until) == ["d9"]


@pytest.mark.parametrize("body", [b"no json", b"[]", b'{"entity": "prompt", "action": "created"}', b"\xff"])
def test_a_signed_body_that_is_no_event_is_refused(body: bytes):
    with pytest.raises(DeliveryRefused):
        verify(headers(body), body)


def post(url: str, sent: dict[str, str], body: bytes) -> int:
    request = urllib.request.Request(url, data=body, headers=sent, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_receiver_answers_by_what_came():
    import time

    at = int(time.time())
    taken: list[Delivery] = []
    with receiving(SECRET, taken.append) as url:
        assert post(url, headers(at=at), BODY) == 204
        assert post(url, headers(at=at), BODY) == 409
        assert post(url, headers(at=at, secret="other", delivery_id="d2"), BODY) == 401
        assert post(url, headers(at=at - 400, delivery_id="d3"), BODY) == 401
        assert post(url + "/else", headers(at=at, delivery_id="d4"), BODY) == 404
        assert post(url, headers(at=at, delivery_id="d5") | {"Content-Length": "9000000"}, BODY) == 413
    assert [delivery.id for delivery in taken] == ["d1"]
    with pytest.raises(ValueError, match="without a secret"), receiving("", taken.append):
        pass


def test_the_real_server_keeps_one_webhook_and_tells_of_a_tag(server: str):
    came, taken = threading.Event(), []

    def take(delivery: Delivery) -> None:
        taken.append(delivery)
        came.set()

    tagged_version("told")
    with receiving(SECRET, take) as url:
        first = ensure_webhook(model_name="told", url="http://127.0.0.1:9/elsewhere", secret="old")
        again = ensure_webhook(model_name="told", url=url, secret=SECRET)
        assert first == again
        mine = [hook for hook in MlflowClient().list_webhooks() if hook.name == "recloop-approvals-told"]
        assert [(hook.url, sorted(map(str, hook.events))) for hook in mine] == [(url, sorted(EVENTS))]
        MlflowClient().set_model_version_tag("told", "1", "validation_status", "approved")
        seconds_until(came.is_set, at_most=10)
    (delivery,) = taken
    assert (delivery.event, delivery.model, delivery.version) == ("model_version_tag.set", "told", "1")
    assert (delivery.key, delivery.value) == ("validation_status", "approved")
    remove_webhook("told")
    assert not [hook for hook in MlflowClient().list_webhooks() if hook.name == "recloop-approvals-told"]


def test_a_server_that_may_not_send_there_is_told_of(
    tmp_path: Path, mlflow_here: str, monkeypatch: pytest.MonkeyPatch
):
    """MLflow's own settings take https and public addresses only."""
    monkeypatch.setattr("tests.registry.servers.server_environment", lambda key: {})
    with mlflow_server(tmp_path) as url:
        tracking.configure(url)
        with pytest.raises(WebhooksUnavailable, match="polled"):
            ensure_webhook(model_name="none", url="http://127.0.0.1:9/mlflow", secret=SECRET)


def test_a_key_is_one_that_mlflows_cipher_takes():
    from cryptography.fernet import Fernet

    cipher = Fernet(new_encryption_key())
    assert cipher.decrypt(cipher.encrypt(b"kept")) == b"kept"
    assert new_encryption_key() != new_encryption_key()
