"""A real S3 interface on loopback, for tests: moto's server, with one bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

BUCKET = "models"
_LOGIN = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True)
class ObjectStore:
    address: str
    client: Any  # of boto3

    def keys(self, prefix: str = "") -> dict[str, int]:
        """Key → bytes, without the empty objects that stand for folders."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        listed = (entry for page in pages for entry in page.get("Contents", ()))
        return {entry["Key"]: entry["Size"] for entry in listed if not entry["Key"].endswith("/")}

    def content(self, key: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content

    def write(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)


@contextmanager
def running_object_store() -> Iterator[ObjectStore]:
    """Started, and told of in the environment; skips the test where boto3 or moto are not installed."""
    boto3 = pytest.importorskip("boto3", reason="make test LOCKS='runtime postgres s3 login dev' installs it")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    try:
        with pytest.MonkeyPatch.context() as patched:
            for name, value in (
                {"AWS_ENDPOINT_URL": address, "MLFLOW_S3_ENDPOINT_URL": address} | _LOGIN
            ).items():
                patched.setenv(name, value)
            client = boto3.client("s3", endpoint_url=address)
            client.create_bucket(Bucket=BUCKET)
            yield ObjectStore(address, client)
    finally:
        server.stop()
