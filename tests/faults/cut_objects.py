"""The object store of artifacts, cut off at a request."""

from __future__ import annotations

import hashlib
import importlib
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from components.artifact import ArtifactRef, bring_here, present, publish, verified
from components.copies import CopiesUnreachable, copies_of
from tests.faults.child import done
from tests.faults.cut_off import Call, Point, Service
from tests.faults.home import files_of
from tests.faults.wire import Wire
from tests.object_store import BUCKET

_PREFIX = f"s3://{BUCKET}"
_LARGE = 12 << 20  # bytes: more than one part of an upload
# curl tells silence by the mean speed of some seconds: after a request that sent bytes, 12 s of it are waited, not 6
_SENT = 28.0  # twice, and what is due around it
POINTS = (
    Point(name="publish: is it there", call="publish", what="^HEAD .*manifest"),
    Point(name="publish: a file", call="publish", what="^PUT .*one.txt", longest=_SENT),
    Point(name="publish: its manifest", call="publish", what="^PUT .*manifest", longest=_SENT),
    Point(name="publish large: begin", call="publish large", what="^POST .*uploads", longest=_SENT),
    Point(name="publish large: a part", call="publish large", what="^PUT .*partNumber=2", longest=_SENT),
    Point(name="publish large: complete", call="publish large", what="^POST .*uploadId", longest=_SENT),
    Point(name="fetch: is it there", call="fetch", what="^HEAD .*manifest"),
    Point(name="fetch: list", call="fetch", what="^GET .*list-type"),
    Point(name="fetch: a file", call="fetch", what="^GET .*two.txt"),
    Point(name="bring a kind: list", call="bring", what="^GET .*list-type"),
    Point(name="remove: list", call="remove", what="^GET .*list-type"),
    Point(name="remove: its manifest", call="remove", what="^DELETE .*manifest"),
    Point(name="remove: the files", call="remove", what="^POST .*delete", longest=_SENT),
)
_SHORT = ("publish: its manifest",)


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Artifacts of a home, whose copies lie in a folder of the bucket."""

    home: Path
    port: int
    road: int

    @property
    def root(self) -> Path:
        return self.home / "artifacts"

    def enter(self, *, past: bool = False) -> None:
        """Let this process find the store: by the road, or past it."""
        address = f"http://127.0.0.1:{self.port if past else self.road}"
        os.environ |= {
            "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "s3cret-of-tests",
            "AWS_DEFAULT_REGION": "us-east-1", "RECLOOP_HOME": str(self.home),
            "RECLOOP_ARTIFACTS_URL": f"{_PREFIX}/{self.home.name}",
        }  # fmt: skip


class ObjectStoreMissing(Exception):
    """moto or boto3 are not installed."""


@contextmanager
def objects(scratch: Path, *, short: bool) -> Iterator[Service]:
    """Started in a process of its own. Raises ObjectStoreMissing."""
    for name in ("boto3", "moto.server", "pyarrow.fs"):
        try:
            importlib.import_module(name)
        except ImportError as missing:
            raise ObjectStoreMissing(
                f"{missing}: make test LOCKS='runtime postgres s3 login dev'"
            ) from missing
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    begun = context.Process(target=_serve, args=(theirs,), daemon=True)
    begun.start()
    theirs.close()  # or nobody is told that the process has died
    try:
        try:
            port = ours.recv()
        except EOFError:
            begun.join()
            raise RuntimeError(f"moto's server ended with {begun.exitcode} before it listened") from None
        yield Service(
            name="object store", port=port, protocol="http", calls=_calls(scratch, port),
            points=[point for point in POINTS if not short or point.name in _SHORT],
            is_told=lambda error: isinstance(error, CopiesUnreachable),
            address=_PREFIX, secrets=("s3cret-of-tests",),
        )  # fmt: skip
    finally:
        begun.kill()
        begun.join()


def _serve(told: Any) -> None:
    import threading

    import boto3
    from moto.server import ThreadedMotoServer

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a line for every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    login = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **login).create_bucket(Bucket=BUCKET)
    told.send(port)
    threading.Event().wait()


def _calls(scratch: Path, port: int) -> dict[str, Call]:
    def fresh(wire: Wire, name: str, *, published: bool) -> Shelf:
        shelf = Shelf(home=scratch / f"{name}", port=port, road=wire.port)
        shelf.home.mkdir(parents=True)
        if published:
            done(partial(_published, shelf))
        return shelf

    empty, full = partial(fresh, published=False), partial(fresh, published=True)
    return {
        "publish": Call(fresh=empty, work=_publish, seen=_seen),
        "publish large": Call(fresh=empty, work=_publish_large, seen=_seen),
        "fetch": Call(fresh=full, work=_fetch, seen=_seen),
        "bring": Call(fresh=full, work=_bring, seen=_seen),
        "remove": Call(fresh=full, work=_remove, seen=_seen),
    }


# --- what is done ---------------------------------------------------------------------------------------


def _publish(shelf: Shelf) -> None:
    shelf.enter()
    _made(shelf)


def _made(shelf: Shelf, size: int = 0) -> ArtifactRef:
    def write(folder: Path) -> None:
        for name in ("one", "two", "three"):
            (folder / f"{name}.txt").write_text(name * 2_000)
        if size:
            (folder / "large.bin").write_bytes(hashlib.sha256(b"x").digest() * (size // 32))

    return publish(shelf.root, "arm", write, parents={}, config={"seed": 1})


def _publish_large(shelf: Shelf) -> None:
    shelf.enter()
    _made(shelf, _LARGE)


def _published(shelf: Shelf) -> None:
    """In the store, and no longer here."""
    shelf.enter(past=True)
    path = Path(_made(shelf).path)
    (shelf.home / "name").write_text(path.name)
    shutil.rmtree(shelf.root)
    shelf.root.mkdir()


def _fetch(shelf: Shelf) -> None:
    shelf.enter()
    verified(shelf.root / "arm" / (shelf.home / "name").read_text())


def _bring(shelf: Shelf) -> None:
    shelf.enter()
    assert bring_here(shelf.root, "arm") == []
    assert present(shelf.root / "arm" / (shelf.home / "name").read_text())


def _remove(shelf: Shelf) -> None:
    shelf.enter()
    copies = copies_of(shelf.root)
    assert copies is not None
    copies.remove(shelf.root / "arm" / (shelf.home / "name").read_text())


# --- what lies there ------------------------------------------------------------------------------------


def _seen(shelf: Shelf) -> dict[str, object]:
    """What lies here, aside too, and what in the bucket, by digest."""
    import boto3

    shelf.enter(past=True)
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{shelf.home.name}/").get("Contents", [])
    there = {
        one["Key"].removeprefix(shelf.home.name): hashlib.sha256(
            client.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
        ).hexdigest()
        for one in listed
        if not one["Key"].endswith("/")
    }
    aside = [path.name for path in shelf.root.rglob(".*")]
    return {"here": files_of(shelf.home, "artifacts"), "aside": aside, "there": there}
