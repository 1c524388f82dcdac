"""Where Feast keeps registry, offline and online store: files under the store's folder, or services by address.

Three variables of the environment name services, and each goes alone or with the others:

    RECLOOP_FEAST_REGISTRY_URL   a database, as SQLAlchemy writes it
    RECLOOP_FEAST_OFFLINE_URL    PostgreSQL
    RECLOOP_FEAST_ONLINE_URL     PostgreSQL, or redis://[:password@]host:port/database

Empty or `local`: the files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

REGISTRY, OFFLINE, ONLINE = (f"RECLOOP_FEAST_{part}_URL" for part in ("REGISTRY", "OFFLINE", "ONLINE"))
POOLED_POSTGRES = "components.features.store.pooled_postgres.PooledPostgresOnlineStore"
_IDLE_SECONDS = 60
LOCAL = "local"


class StoreAddressWrong(Exception):
    """A variable names no store that Feast could open; says which, never the address itself."""


@contextmanager
def on_files() -> Iterator[None]:
    """Stores opened in the block are files of their own, whatever services this process is told of."""
    before = {name: os.environ.get(name) for name in (REGISTRY, OFFLINE, ONLINE)}
    os.environ.update(dict.fromkeys(before, LOCAL))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def names_services(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether anything of the store lies elsewhere than under its folder."""
    return any(_named(name, environ) for name in (REGISTRY, OFFLINE, ONLINE))


def offline_url(environ: Mapping[str, str] = os.environ) -> str | None:
    """The database behind the offline store, as libpq reads it; None: the parquet files themselves."""
    url = _named(OFFLINE, environ)
    return _libpq(OFFLINE, url) if url else None


def variables(home: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What services.yaml names. Raises StoreAddressWrong."""
    registry = _named(REGISTRY, environ) or f"sqlite:///{home}/registry.db"
    parts: dict[str, dict[str, Any]] = {
        "REGISTRY": {
            "registry_type": "sql",
            "path": registry,
            "cache_ttl_seconds": 60,
            "sqlalchemy_config_kwargs": {"echo": False, "pool_pre_ping": True},  # it outlives an outage
        },
        "OFFLINE": _offline(_named(OFFLINE, environ)),
        "ONLINE": _online(home, _named(ONLINE, environ)),
    }
    return {f"RECLOOP_FEAST_{part}": json.dumps(config) for part, config in parts.items()}


def identity(home: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Which store this is, for the key of a stage that fills it: no password is in it."""
    found = [str(home)]
    for name in (REGISTRY, OFFLINE, ONLINE):
        if url := _named(name, environ):
            parts = urlsplit(url)
            found.append(f"{parts.scheme}://{parts.hostname}:{parts.port}{parts.path}")
    return " ".join(found)


def _named(variable: str, environ: Mapping[str, str]) -> str | None:
    """The address; None where the variable is empty or says `local`, which also overrides what .env names."""
    value = environ.get(variable)
    return None if value in (None, "", LOCAL) else value


def _offline(url: str | None) -> dict[str, Any]:
    return {"type": "duckdb"} if not url else {"type": "postgres", **_postgres(OFFLINE, url)}


def _online(home: Path, url: str | None) -> dict[str, Any]:
    if not url:
        return {"type": "sqlite", "path": f"{home}/online.db"}
    if urlsplit(url).scheme in {"redis", "rediss"}:
        return {"type": "redis", "connection_string": _redis(urlsplit(url))}
    # requests of a server run in threads, and one connection holds one transaction
    return {"type": POOLED_POSTGRES, **_postgres(ONLINE, url), "min_conn": 1, "max_conn": 10}


def _postgres(variable: str, url: str) -> dict[str, Any]:
    parts = _of_postgres(variable, url)
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return {
        "host": parts.hostname or "localhost",
        "port": parts.port or 5432,
        "database": parts.path.lstrip("/"),
        "db_schema": "public",
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "sslmode": asked.get("sslmode", "prefer"),  # libpq's own default; Feast's is "require"
        "sslrootcert_path": asked.get("sslrootcert"),
        "keepalives_idle": _IDLE_SECONDS,
    }


def _libpq(variable: str, url: str) -> str:
    return _of_postgres(variable, url)._replace(scheme="postgresql").geturl()


def _of_postgres(variable: str, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.scheme.partition("+")[0] == "postgresql" and parts.path.strip("/") and parts.username
        _ = parts.port
    except ValueError:
        known = False
    if not known:
        others = " or redis://[:password@]host:port/0" if variable == ONLINE else ""
        raise StoreAddressWrong(
            f"{variable} names no store: write postgresql://user:password@host:5432/database{others}, or leave it out"
        )
    return parts


def _redis(parts: SplitResult) -> str:
    """As Feast writes it: host:port,db=0,ssl=true,password=…"""
    told = [f"{parts.hostname}:{parts.port or 6379}", f"db={parts.path.strip('/') or 0}"]
    if parts.scheme == "rediss":
        told.append("ssl=true")
    if parts.password:
        told.append(f"password={unquote(parts.password)}")
    if parts.username:
        told.append(f"username={unquote(parts.username)}")
    return ",".join(told)
