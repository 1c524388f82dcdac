"""The real scoring server with a key, over a real registry: ids that lead elsewhere, bodies that are no request."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.faults.probing import Probe

_KEY = "the-key-of-tests-0123456789"
_TREASURE = "the secret of another folder"
_IDS = ("..%2fsecret", "%2e%2e%2fsecret.jpg", "../secret.jpg", "link", "%2fetc%2fpasswd", "a%00b", "%ff")
_BODIES = {
    "no JSON": b"{", "a list": b"[]", "a number for a user": b'{"user_id": 7}',
    "a field too many": b'{"user_id": "a", "x": 1}',
    "k of a billion": b'{"user_id": "a", "k": 1000000000}', "NaN": b'{"user_id": "a", "k": NaN}',
    "nested ten thousand deep": b"[" * 10_000 + b"]" * 10_000, "200 kB": b'{"user_id": "' + b"a" * 200_000 + b'"}',
    "an id of a control character": b'{"user_id": "a\\u0000"}', "no UTF-8": b'{"user_id": "\xff\xfe"}',
}  # fmt: skip


def probes(scratch: Path) -> Iterator[Probe]:
    from mlflow import MlflowClient
    from pydantic import SecretStr

    from tests.faults.security_servers import ask
    from tests.serving.world import World, serving

    os.environ["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = "NullPool"
    uri = f"sqlite:///{scratch}/mlflow.db"
    MlflowClient(uri).create_experiment("recloop", artifact_location=str(scratch / "artifacts"))
    world = World(home=scratch, tracking_uri=uri, model_name="probed")
    world.register("one", champion=True)
    images = scratch / "images"
    images.mkdir()
    (images / "i00.jpg").write_bytes(b"honest")
    (scratch / "secret.jpg").write_text(_TREASURE)
    (images / "link.jpg").symlink_to(scratch / "secret.jpg")
    key = {"X-API-Key": _KEY}
    lists = "/v1/recommendations"
    with serving(world.config(keys=(SecretStr(_KEY),), images=images)) as client:
        url = str(client.base_url)

        def status(path: str, headers: dict[str, str], body: bytes | None = None) -> tuple[int, str]:
            got = ask(url, path, method="GET" if body is None else "POST", body=body, headers=headers)
            return got.status, got.body

        for ident in _IDS:
            yield Probe(
                name=ident, where="GET /images/…, scoring server", holds="answers 404",
                control=lambda: status("/images/i00", key)[0] == 200,
                attack=partial(_unless, status, f"/images/{ident}", key, None, (404, 400)),
            )  # fmt: skip
        for name, headers in {"no key": {}, "a wrong key": {"X-API-Key": _KEY[:-1]}}.items():
            for path in ("/images/i00", "/v1/items?query=a", "/metrics", "/nowhere"):
                yield Probe(
                    name=f"{name}, {path}", where="scoring server", holds="answers 401",
                    control=lambda: status("/v1/items?query=i", key)[0] == 200,
                    attack=partial(_unless, status, path, headers, None, (401,)),
                )  # fmt: skip
        for name, body in _BODIES.items():
            yield Probe(
                name=name, where="POST /v1/recommendations, scoring server", holds="is refused without a trace",
                control=lambda: status(lists, key, b'{"history": ["i00"]}')[0] == 200,
                attack=partial(_unless, status, lists, key, body, (400, 413, 422)),
            )  # fmt: skip


def _unless(
    status: object, path: str, headers: dict[str, str], body: bytes | None, wanted: tuple[int, ...]
) -> str:
    try:
        code, told = status(path, headers, body)  # type: ignore[operator]
    except (BrokenPipeError, ConnectionResetError):  # refused before it was sent whole
        return ""
    wrong = code not in wanted or _TREASURE in told or "Traceback" in told
    return f"answered {code}: {told[:120]}" if wrong else ""
