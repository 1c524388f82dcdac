"""Made-up requests to the real scoring server, after its own OpenAPI document, by schemathesis.

Of each operation: requests that the document allows, and requests that it does not. No answer is a 500, each is as the
document says, and what it does not allow is refused.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.fault import Fault, Outcome

_EXAMPLES, _EXAMPLES_SHORT = 150, 10
_JSON = {"Content-Type": "application/json"}
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")


def faults(scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    import schemathesis
    from mlflow import MlflowClient

    from tests.serving.world import World, serving

    scratch.mkdir(parents=True)
    os.environ["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = "NullPool"
    uri = f"sqlite:///{scratch}/mlflow.db"
    MlflowClient(uri).create_experiment("recloop", artifact_location=str(scratch / "artifacts"))
    world = World(home=scratch, tracking_uri=uri, model_name="asked")
    world.register("one", champion=True)
    number = _EXAMPLES_SHORT if short else _EXAMPLES
    with serving(world.config(events_spool=scratch / "events")) as client:
        document = client.get("/openapi.json").json()
        operations = [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]
        for operation in operations:
            for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
                if mode is schemathesis.GenerationMode.NEGATIVE and not _is_asked_anything(operation):
                    continue
                yield Fault(
                    kind="fuzz", name=f"{number} {mode.value} requests", where=operation.label,
                    holds="no 500, and an answer as the document says",
                    strike=partial(_ask, operation, mode, str(client.base_url), number, seed),
                )  # fmt: skip
        for name, wanted, ask in _by_hand(client, document):
            yield Fault(
                kind="fuzz",
                name=name,
                where="scoring server",
                holds=f"answers {wanted}",
                strike=partial(_answers, ask, wanted),
            )


def _is_asked_anything(operation: Any) -> bool:
    return bool(list(operation.query) or list(operation.body))


def _ask(operation: Any, mode: Any, url: str, number: int, by: int) -> Outcome:
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from schemathesis.checks import CHECKS

    count, wrong = itertools.count(), []

    @seed(by)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(operation.as_strategy(generation_mode=mode))
    def example(case: Any) -> None:
        next(count)
        # of what a document cannot say (as many times as items, a user or a history) the server's refusal is right
        case.call_and_validate(base_url=url, excluded_checks=[CHECKS.get_one("positive_data_acceptance")])

    try:
        example()
    except BaseExceptionGroup as found:
        wrong = [str(error)[:700] for error in found.exceptions]
    except AssertionError as error:
        wrong = [str(error)[:700]]
    return Outcome(fired=next(count) > 0, violations=tuple(wrong))


def _by_hand(
    client: Any, document: dict[str, Any]
) -> Iterator[tuple[str, tuple[int, ...], Callable[[], Any]]]:
    """What no document describes: other methods, other content, and more of it than is taken."""
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method.lower() not in operations:
                yield f"{method} {path}", (405,), partial(client.request, method, path)
    post = partial(client.post, "/v1/recommendations")
    sound = b'{"history": ["i00"]}'
    yield "JSON", (200,), partial(post, content=sound, headers=_JSON)
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "",
    ):
        yield (
            f"Content-Type {kind!r}",
            (415, 422),
            partial(post, content=sound, headers={"Content-Type": kind}),
        )
    yield "no body", (422,), partial(post, headers=_JSON)
    yield "no JSON", (422,), partial(post, content=b"{", headers=_JSON)
    yield (
        "gzip that is said",
        (400, 415, 422),
        partial(post, content=b"\x1f\x8b\x08", headers=_JSON | {"Content-Encoding": "gzip"}),
    )
    yield (
        "a body too long",
        (413,),
        partial(post, content=b'{"user_id": "' + b"a" * 2_000_000 + b'"}', headers=_JSON),
    )
    yield (
        "one in pieces, too long",
        (413,),
        partial(post, content=(b"a" * 65_536 for _ in range(40)), headers=_JSON),
    )
    yield (
        "a query too long",
        (422, 414, 431, 400),
        partial(client.get, "/v1/items", params={"query": "a" * 9_000}),
    )
    yield "a path that is none", (404,), partial(client.get, "/v2/nothing")


def _answers(ask: Callable[[], Any], wanted: tuple[int, ...]) -> Outcome:
    import httpx

    try:
        answer = ask()
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):  # refused before it was sent whole
        return Outcome(fired=True, violations=() if 413 in wanted else ("the connection was cut",))
    wrong = [] if answer.status_code in wanted else [f"answered {answer.status_code}: {answer.text[:200]}"]
    if "Traceback" in answer.text:
        wrong.append("shows a trace")
    return Outcome(fired=True, violations=tuple(wrong))
