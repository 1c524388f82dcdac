"""A registry read without MLflow, whose import costs 2 CPU seconds: from the server on this machine by its REST, or
from the database that it left, by SQL.

The database's tables are MLflow's own. They are read only where they are of the schema that this was written for;
otherwise, and of every other address, None says that MLflow's client is to be asked.
"""

from __future__ import annotations

import json
import sqlite3
import urllib.error
import urllib.request
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from components.registry.registered import RegisteredModel, RegisteredVersion

SCHEMA = "dc11669786a5"  # alembic's revision of MLflow 3.17's tables
_PATIENCE_SECONDS = 7.0
_VERSIONS_A_PAGE = 1000
_LOCAL = frozenset({"127.0.0.1", "localhost"})
_SQLITE = "sqlite:///"


def read_model(address: str, name: str) -> RegisteredModel | None:
    """The model as the registry at `address` holds it; None where MLflow's client has to be asked."""
    if address.startswith(_SQLITE):
        return _of_database(Path(address.removeprefix(_SQLITE)), name)
    # servers elsewhere may want a login, a certificate or a proxy, all of which MLflow's client knows
    if urlsplit(address).scheme == "http" and urlsplit(address).hostname in _LOCAL:
        return _of_server(address, name)
    return None


def _of_server(address: str, name: str) -> RegisteredModel | None:
    try:
        found = _get(address, "registered-models/get", name=name)
        if found is None:
            return RegisteredModel(name=name, exists=False, aliases={}, tags={}, versions=())
        versions, token = [], ""
        while True:
            page = _get(
                address, "model-versions/search", filter=f"name='{name}'",
                max_results=str(_VERSIONS_A_PAGE), page_token=token,
            ) or {}  # fmt: skip
            versions += page.get("model_versions", [])
            if not (token := page.get("next_page_token", "")):
                break
        model = found["registered_model"]
        return RegisteredModel(
            name=name,
            exists=True,
            aliases={each["alias"]: str(each["version"]) for each in model.get("aliases", [])},
            tags=_tags(model),
            versions=_in_order(
                RegisteredVersion(
                    name=name, version=str(one["version"]), run_id=one.get("run_id") or "",
                    source=one.get("source") or "", tags=_tags(one),
                )
                for one in versions
            ),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # no answer, or one of another shape
        return None


def _get(address: str, endpoint: str, **query: str) -> dict[str, Any] | None:
    """An answer of MLflow's REST; None if there is no such thing."""
    given = urlencode({word: value for word, value in query.items() if value}, quote_via=quote)
    url = f"{address}/api/2.0/mlflow/{endpoint}?{given}"
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE_SECONDS) as answer:  # noqa: S310 - on this machine
            told: dict[str, Any] = json.load(answer)
            return told
    except urllib.error.HTTPError as error:
        if error.code == 404 and json.load(error).get("error_code") == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _tags(told: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in told.get("tags", [])}


def _of_database(path: Path, name: str) -> RegisteredModel | None:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            database.execute("BEGIN")  # all reads see one state
            if database.execute("SELECT version_num FROM alembic_version").fetchall() != [(SCHEMA,)]:
                return None
            return _of_tables(database, name)
    except sqlite3.Error:
        return None


def _of_tables(database: sqlite3.Connection, name: str) -> RegisteredModel:
    def rows(columns: str, table: str) -> list[tuple[Any, ...]]:
        query = f"SELECT {columns} FROM {table} WHERE workspace = 'default' AND name = ?"  # noqa: S608 - our own words
        return database.execute(query, (name,)).fetchall()

    tags: dict[str, dict[str, str]] = defaultdict(dict)
    for version, key, value in rows("version, key, value", "model_version_tags"):
        tags[str(version)][key] = value
    living = [row for row in rows("version, run_id, source, current_stage", "model_versions")
              if row[3] != "Deleted_Internal"]  # fmt: skip
    return RegisteredModel(
        name=name,
        exists=bool(rows("name", "registered_models")),
        aliases={alias: str(version) for alias, version in rows("alias, version", "registered_model_aliases")},
        tags=dict(rows("key, value", "registered_model_tags")),
        versions=_in_order(
            RegisteredVersion(
                name=name, version=str(version), run_id=run or "", source=source or "", tags=tags[str(version)]
            )
            for version, run, source, _ in living
        ),
    )  # fmt: skip


def _in_order(versions: Any) -> tuple[RegisteredVersion, ...]:
    return tuple(sorted(versions, key=lambda version: int(version.version)))
