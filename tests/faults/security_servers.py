"""The real servers, asked as a stranger asks: pages, webhook, MLflow and Prefect of a home, MLflow with accounts.

Each runs while its probes are struck, and ends before the next begins.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from components.registry.receiver import receiving
from components.registry.webhook import signature_of
from flows.local.servers import running_servers
from flows.local.site import static_site
from tests.faults.probing import Probe, fresh
from tests.flows.local.test_servers import settings_in

_SIGNER = "s3cret"
_TREASURE = "the secret of another folder"
_UP = (
    "..%2f..%2fsecret.db",
    "%2e%2e/%2e%2e/secret.db",
    "../../secret.db",
    "..%5c..%5csecret.db",
    "%2fetc%2fpasswd",
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    place: str  # of a redirect
    body: str


def ask(
    url: str, path: str, *, method: str = "GET", body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:  # fmt: skip
    """The path as it is written: no client tidies it up, and none follows a redirect."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
    with connection.getresponse() as got:
        return Answer(
            status=got.status, place=got.getheader("Location") or "", body=got.read().decode(errors="replace")
        )


def probes(scratch: Path) -> Iterator[Probe]:
    from tests.faults import security_pages, security_scoring, security_secrets

    yield from _site(fresh(scratch / "site"))
    yield from _webhook()
    yield from _engines(fresh(scratch / "engines"))
    yield from security_scoring.probes(fresh(scratch / "scoring"))
    yield from security_secrets.probes(fresh(scratch / "secrets"))
    yield from security_pages.probes(fresh(scratch / "pages"))
    yield from _accounts(fresh(scratch / "accounts"))


def _refused(
    where: str, name: str, url: str, path: str, statuses: tuple[int, ...], *, good: str, hidden: str = _TREASURE,
    **how: object,
) -> Probe:  # fmt: skip
    """Asked in this way, it answers one of these; asked rightly for `good`, 200."""

    def attack() -> str:
        got = ask(url, path, **how)  # type: ignore[arg-type]
        return "" if got.status in statuses and hidden not in got.body else f"{got.status} {got.body[:80]!r}"

    return Probe(
        name=name, where=where, holds=f"answers {' or '.join(map(str, statuses))}",
        control=lambda: ask(url, good).status == 200, attack=attack,
    )  # fmt: skip


def _site(scratch: Path) -> Iterator[Probe]:
    settings = settings_in(scratch / "home")
    (settings.reports / "deep").mkdir(parents=True)
    for path in (scratch / "secret.db", settings.home / "secret.db"):
        path.write_text(_TREASURE)
    (settings.reports / "link.html").symlink_to(scratch / "secret.db")
    (settings.reports / "honest.html").write_text("honest")
    with static_site(settings, lambda: "front") as pages:
        url = pages["Where it stands"]
        refuse = partial(
            _refused, "pages of a home", url=url, statuses=(404, 400), good="/reports/honest.html"
        )
        for path in (*(f"/reports/{up}" for up in _UP), "/secret.db", "/reports/link.html", "/reports/a%00b"):
            yield refuse(name=path, path=path)
        yield _refused(
            "pages of a home", "a foreign Host", url, "/", (403,), good="/", headers={"Host": "evil.example"}
        )
        for path in (
            "/reports//evil.example/..%2f",
            "/reports//evil.example/..",
            "//evil.example/..",
            "/reports/deep",
        ):
            yield Probe(
                name=path, where="pages of a home, redirect", holds="leads to the same server",
                control=lambda: ask(url, "/reports/deep/").place == "/",
                attack=lambda path=path: (
                    f"to {ask(url, path).place}" if ask(url, path).place.startswith(("//", "http")) else ""
                ),
            )  # fmt: skip


def _webhook() -> Iterator[Probe]:
    tag = {"name": "m", "version": "2", "key": "validation_status", "value": "approved"}
    body = json.dumps(
        {"entity": "model_version_tag", "action": "set", "timestamp": "t", "data": tag}
    ).encode()
    number = iter(range(1000))

    def signed(*, by: str = _SIGNER, at: float | None = None, ident: str = "") -> dict[str, str]:
        stamp, ident = str(int(at if at is not None else time.time())), ident or f"d{next(number)}"
        return {
            "X-MLflow-Delivery-Id": ident, "X-MLflow-Timestamp": stamp,
            "X-MLflow-Signature": signature_of(body, secret=by, delivery_id=ident, stamp=stamp),
        }  # fmt: skip

    with receiving(_SIGNER, lambda _: None) as url:
        path, once = urlsplit(url).path, signed(ident="once")

        def post(headers: Mapping[str, str], content: bytes = body) -> int:
            return ask(url, path, method="POST", body=content, headers=headers).status

        cases = {
            "not signed": ({}, body, 401), "signed with another secret": (signed(by="other"), body, 401),
            "another body than was signed": (signed(), body.replace(b'"2"', b'"3"'), 401),
            "an hour old": (signed(at=time.time() - 3600), body, 401),
            "of tomorrow": (signed(at=time.time() + 86_400), body, 401), "sent again": (once, body, 409),
            "two million bytes": (signed(), b"x" * 2_000_000, 413),
        }  # fmt: skip
        assert post(once) == 204
        for name, (headers, content, status) in cases.items():
            yield Probe(
                name=name, where="MLflow's webhook", holds=f"answers {status}",
                control=lambda: post(signed()) == 204, attack=partial(_other_than, post, headers, content, status),
            )  # fmt: skip


def _other_than(post: object, headers: object, content: object, status: int) -> str:
    try:
        got = post(headers, content)  # type: ignore[operator]
    except (BrokenPipeError, ConnectionResetError):  # refused before it was sent whole
        return ""
    return "" if got == status else f"answered {got}"


def _engines(scratch: Path) -> Iterator[Probe]:
    settings = settings_in(scratch / "home")
    settings.home.mkdir()
    (scratch / "secret.db").write_text(_TREASURE)
    with running_servers(settings):
        mlflow, prefect = settings.mlflow_tracking_uri, settings.prefect_ui_url
        (settings.home / "secret.db").write_text(_TREASURE)
        api, files = "/api/2.0/mlflow", "/api/2.0/mlflow-artifacts/artifacts"
        for where, url, path in (
            ("MLflow", mlflow, "/health"), ("MLflow", mlflow, f"{api}/registered-models/search"),
            ("Prefect", prefect, "/api/health"), ("Prefect", prefect, "/api/admin/version"), ("Prefect", prefect, "/"),
        ):  # fmt: skip
            foreign = {"Host": {"Host": "evil.example"}, "Origin": {"Origin": "http://localhost:9999"}}
            for name, headers in foreign.items():
                yield _refused(
                    where, f"a foreign {name}, {path}", url, path, (403,), good=path, headers=headers
                )
        search = partial(
            _refused, "MLflow", url=mlflow, good=f"{api}/registered-models/search", method="POST"
        )
        yield search(
            name="POST from another port", path=f"{api}/registered-models/create", statuses=(403,),
            body='{"name": "planted"}', headers={"Origin": "http://localhost:9999"},
        )  # fmt: skip
        ask(mlflow, f"{api}/registered-models/create", method="POST", body='{"name": "planted"}')
        for source in ("/etc", "file:///etc", "../../", "mlflow-artifacts:/../../etc"):
            yield search(
                name=f"a version of {source}", path=f"{api}/model-versions/create", statuses=(400,),
                body=json.dumps({"name": "planted", "source": source}),
            )  # fmt: skip
        for up in _UP:
            yield _refused(
                "MLflow, artifacts", up, mlflow, f"{files}/{up}", (400, 404, 500), good=f"{files}?path="
            )
            above = up.removesuffix("secret.db")
            yield _refused(
                "MLflow, list of artifacts", above, mlflow, f"{files}?path={above}", (400, 404, 200),
                good=f"{files}?path=", hidden="secret.db",
            )  # fmt: skip
        upgrade = {
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": "http://localhost:9999",
        }  # fmt: skip
        for path in ("/api/logs/out", "/api/events/in", "/api/events/out"):
            yield _refused(
                "Prefect, websocket", path, prefect, path, (403,), good="/api/health", headers=upgrade
            )


@contextmanager
def _with_accounts(folder: Path) -> Iterator[str]:
    from tests.registry.servers import mlflow_with_accounts

    with mlflow_with_accounts(folder, promoters="ann") as url:
        yield url


def _accounts(scratch: Path) -> Iterator[Probe]:
    from tests.registry.servers import ADMIN, ADMIN_PASSWORD

    def login(name: str, password: str) -> dict[str, str]:
        return {"Authorization": f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"}

    print("security: starting MLflow with accounts", file=sys.stderr)
    path = "/api/2.0/mlflow/registered-models/search"
    strangers = {
        "no login": {}, "a wrong password": login(ADMIN, "admin-password-2"), "nobody's name": login("eve", "x"),
        "an empty password": login(ADMIN, ""), "a Bearer": {"Authorization": f"Bearer {ADMIN_PASSWORD}"},
        "SQL for a name": login("' OR '1'='1", "x"),
    }  # fmt: skip
    with _with_accounts(scratch) as url:
        for name, headers in strangers.items():
            yield Probe(
                name=name, where="MLflow with accounts", holds="lets nobody in",
                control=lambda: ask(url, path, headers=login(ADMIN, ADMIN_PASSWORD)).status == 200,
                attack=lambda headers=headers: (
                    "" if (got := ask(url, path, headers=headers)).status >= 400 else f"answered {got.status}"
                ),
            )  # fmt: skip
