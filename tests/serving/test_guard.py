"""Who gets in: keys, hosts, origins, sizes and rates, over HTTP; and which servers may start at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from components.serving.access import KeyRing, RateLimit
from components.serving.config import Limits, ServerConfig, ServerConfigError, Trial, read_keys
from tests.serving.world import World, serving, until

KEYS = ("first-key-0123456789", "second-key-0123456789")
LIST = ("POST", "/v1/recommendations")
EVENT = {"user_id": "ada", "item_id": "i00", "timestamp": 1}


@pytest.fixture(scope="module")
def world_here(serving_mlflow: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(home=tmp_path_factory.mktemp("guard"), tracking_uri=serving_mlflow, model_name="guard")
    world.register("one", champion=True)
    return world


@pytest.fixture(scope="module")
def keyed(world_here: World) -> Iterator[httpx.Client]:
    """A server with two keys, a small body, and a rate of two at once and almost none after."""
    limits = Limits(max_body_bytes=2_000, rate_per_second=0.01, burst=40)
    keys = tuple(SecretStr(key) for key in KEYS)
    with serving(world_here.config(keys=keys, limits=limits)) as client:
        yield client


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize(
    ("method", "path"), [LIST, ("POST", "/v1/events"), ("GET", "/v1/items?query=a"), ("GET", "/metrics"),
                         ("GET", "/images/i00"), ("GET", "/nowhere")],
)  # fmt: skip
@pytest.mark.parametrize(
    "headers",
    [{}, {"X-API-Key": "wrong"}, {"Authorization": f"Basic {KEYS[0]}"}, {"X-API-Key": KEYS[0][:-1]}],
)
def test_without_a_key_nothing_that_holds_data_is_given(
    keyed: httpx.Client, method: str, path: str, headers: dict
):
    answer = keyed.request(method, path, json={"user_id": "ada"}, headers=headers)
    assert code(answer) == (401, "key_needed")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/", "/page.css", "/page.js", "/health", "/ready", "/openapi.json"])
def test_what_holds_no_data_is_open(keyed: httpx.Client, path: str):
    assert keyed.get(path).status_code == 200


def test_what_is_amiss_is_told_to_keys_only(world_here: World):
    """No version is challenger 77: the message names the model, and may name paths."""
    trial = Trial(challenger="77")
    config = world_here.config(
        keys=(SecretStr(KEYS[0]),), trial=trial, exposures=world_here.home / "exposures"
    )
    with serving(config) as client:
        until(lambda: bool(client.get("/ready").json()["challenger"]["problem"]))
        assert client.get("/ready").json()["challenger"]["problem"] == "send a key to read it"
        told = client.get("/ready", headers={"X-API-Key": KEYS[0]}).json()["challenger"]["problem"]
        assert told == "no version of guard is 77"


@pytest.mark.parametrize(
    "headers", [{"X-API-Key": KEYS[0]}, {"Authorization": f"Bearer {KEYS[1]}"}, {"X-API-KEY": KEYS[1]}]
)
def test_each_key_opens_by_either_header(keyed: httpx.Client, headers: dict):
    assert keyed.post("/v1/recommendations", json={"user_id": "ada"}, headers=headers).status_code == 200


def test_a_long_body_is_refused_told_or_not(keyed: httpx.Client):
    headers = {"X-API-Key": KEYS[0], "Content-Type": "application/json"}
    long = b'{"user_id": "' + b"a" * 3_000 + b'"}'
    assert code(keyed.post(LIST[1], content=long, headers=headers)) == (413, "body_too_long")
    chunks = (long[at : at + 500] for at in range(0, len(long), 500))  # sent without a length
    assert code(keyed.post(LIST[1], content=chunks, headers=headers)) == (413, "body_too_long")


def test_a_key_that_asks_too_often_waits_and_others_do_not(world_here: World):
    limits = Limits(rate_per_second=0.1, burst=3)
    with serving(world_here.config(keys=tuple(map(SecretStr, KEYS)), limits=limits)) as client:
        asked = [
            client.post(LIST[1], json={"user_id": "ada"}, headers={"X-API-Key": KEYS[0]}) for _ in range(4)
        ]
        assert [answer.status_code for answer in asked] == [200, 200, 200, 429]
        assert 1 <= int(asked[-1].headers["retry-after"]) <= 10
        other = client.post(LIST[1], json={"user_id": "ada"}, headers={"X-API-Key": KEYS[1]})
        assert other.status_code == 200
        metrics = client.get("/metrics", headers={"X-API-Key": KEYS[1]}).text
        assert 'recloop_requests_total{path="/v1/recommendations",status="429"} 1.0' in metrics
        assert not any(key in metrics for key in KEYS)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""])
def test_a_foreign_host_is_refused_on_loopback(keyed: httpx.Client, host: str):
    assert code(keyed.get("/health", headers={"Host": host})) == (421, "foreign_host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"])
def test_the_names_of_loopback_are_answered(keyed: httpx.Client, host: str):
    assert keyed.get("/health", headers={"Host": host}).status_code == 200


def test_pages_of_other_sites_may_not_ask(keyed: httpx.Client):
    headers = {"X-API-Key": KEYS[0], "Origin": "https://evil.example"}
    assert code(keyed.post(LIST[1], json={"user_id": "ada"}, headers=headers)) == (403, "foreign_origin")
    own = headers | {"Origin": str(keyed.base_url).rstrip("/")}
    assert keyed.post(LIST[1], json={"user_id": "ada"}, headers=own).status_code == 200


def test_nothing_is_loaded_from_elsewhere_and_there_is_no_docs_page(keyed: httpx.Client):
    assert code(keyed.get("/docs", headers={"X-API-Key": KEYS[1]})) == (404, "refused")
    page = keyed.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for path in ("/", "/page.js", "/page.css"):
        assert "://" not in keyed.get(path).text


def test_openapi_holds_examples(keyed: httpx.Client):
    schemas = keyed.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["RecommendationRequest"]["examples"][0] == {"user_id": "196", "k": 10}
    assert schemas["PostedEvent"]["examples"]


def test_a_server_without_a_spool_says_that_it_takes_no_events(keyed: httpx.Client):
    answer = keyed.post("/v1/events", json=EVENT, headers={"X-API-Key": KEYS[0]})
    assert code(answer) == (404, "events_not_taken")


def plain(**changes: object) -> ServerConfig:
    here = Path("here")
    return ServerConfig(
        model_name="m", tracking_uri="sqlite:///x", artifacts=here, feast_home=here, **changes
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "serve.example"])
def test_a_wider_host_needs_keys(host: str):
    with pytest.raises(ServerConfigError, match="no API key is set"):
        plain(host=host)
    assert plain(host=host, keys=(SecretStr(KEYS[0]),)).hosts is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_none(host: str):
    assert "localhost" in (plain(host=host).hosts or ())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"keys": (SecretStr("short"),)}, "shorter than 16"),
        ({"poll_seconds": 0}, "poll_seconds"),
        ({"trial": Trial(challenger="challenger")}, "RECLOOP_EXPOSURES"),
    ],
)
def test_settings_that_contradict_are_refused(changes: dict, told: str):
    with pytest.raises(ServerConfigError, match=told):
        plain(**changes)
    with pytest.raises(ServerConfigError, match="none is named"):
        Trial(share=0.5)


def test_keys_come_from_a_setting_and_a_file_and_are_not_shown(tmp_path: Path):
    file = tmp_path / "keys"
    file.write_text(f"# of the shop\n{KEYS[0]}\n\n")
    keys = read_keys(SecretStr(f"{KEYS[1]}, another-key-123456"), file)
    assert [key.get_secret_value() for key in keys] == [KEYS[1], "another-key-123456", KEYS[0]]
    assert KEYS[0] not in repr(plain(keys=keys))
    with pytest.raises(ServerConfigError, match="cannot be read"):
        read_keys(None, tmp_path / "absent")


def test_a_key_ring_names_callers_without_their_keys():
    ring = KeyRing([SecretStr(KEYS[0])])
    caller = ring.caller({"x-api-key": KEYS[0]})
    assert caller is not None
    assert caller not in KEYS[0]
    assert ring.caller({"x-api-key": "\udcff"}) is None
    assert KeyRing([]).caller({}) == "anonymous"


def test_a_bucket_fills_with_time():
    """Two at once, then one every half second."""
    now = [0.0]
    limit = RateLimit(per_second=2, burst=2, clock=lambda: now[0])
    assert [limit.wait("a") for _ in range(3)] == [0, 0, 1]
    now[0] = 0.5
    assert [limit.wait("a"), limit.wait("a")] == [0, 1]
    assert limit.wait("b") == 0
    now[0] = 100.0
    assert [limit.wait("a") for _ in range(3)] == [0, 0, 1]
    assert RateLimit(per_second=0, burst=1).wait("a") == 0
