"""Addresses of Feast's stores, as the environment names them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.features.store import addresses

HOME = Path("/state/feast")
URL = "postgresql+psycopg://me:p%40ss%2Fw@db:5433/feast?sslmode=verify-full&sslrootcert=/ca.pem"


def parts(**environ: str) -> dict[str, dict]:
    found = addresses.variables(HOME, {f"RECLOOP_FEAST_{name}_URL": url for name, url in environ.items()})
    return {name.removeprefix("RECLOOP_FEAST_").lower(): json.loads(value) for name, value in found.items()}


def test_what_is_not_set_stays_a_file():
    assert not addresses.names_services({"RECLOOP_FEAST_ONLINE_URL": ""})
    found = parts(ONLINE="redis://cache")
    assert found["registry"]["path"] == "sqlite:////state/feast/registry.db"
    assert found["offline"] == {"type": "duckdb"}
    assert parts(OFFLINE=URL)["online"] == {"type": "sqlite", "path": "/state/feast/online.db"}


def test_an_address_of_postgresql_is_taken_apart_and_unquoted():
    for part in ("OFFLINE", "ONLINE"):
        found = parts(**{part: URL})[part.lower()]
        assert found.items() >= {
            "host": "db", "port": 5433, "database": "feast", "user": "me",
            "password": "p@ss/w", "sslmode": "verify-full", "sslrootcert_path": "/ca.pem",
        }.items()  # fmt: skip
    assert parts(ONLINE="postgresql://me@db/x")["online"]["sslmode"] == "prefer"
    assert addresses.offline_url({"RECLOOP_FEAST_OFFLINE_URL": URL}) == URL.replace("+psycopg", "")


@pytest.mark.parametrize(
    ("url", "connection"),
    [
        ("redis://cache", "cache:6379,db=0"),
        ("rediss://me:s%40x@cache:7000/3", "cache:7000,db=3,ssl=true,password=s@x,username=me"),
    ],
)
def test_an_address_of_redis_is_written_as_feast_reads_it(url: str, connection: str):
    assert parts(ONLINE=url)["online"] == {"type": "redis", "connection_string": connection}


@pytest.mark.parametrize(
    "url", ["mysql://me:canary@db/x", "postgresql://me:canary@db", "postgresql://me:canary@db:x/y"]
)
def test_what_is_no_store_is_named_and_its_password_is_not(url: str):
    for part in ("OFFLINE", "ONLINE"):
        with pytest.raises(addresses.StoreAddressWrong, match=f"RECLOOP_FEAST_{part}_URL") as told:
            parts(**{part: url})
        assert "canary" not in str(told.value)


def test_a_store_is_told_by_where_it_is_and_not_by_its_password():
    assert addresses.identity(HOME, {}) == str(HOME)
    one, other, elsewhere = (
        addresses.identity(HOME, {"RECLOOP_FEAST_ONLINE_URL": f"redis://:{word}@{host}/0"})
        for word, host in (("a", "x"), ("b", "x"), ("a", "y"))
    )
    assert one == other != elsewhere
