"""What the engines must find in their environment, made of the settings of this process."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping

from flows.settings import LOOPBACK, Settings

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")

_SAFETY = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # 260 MB and 11 s instead of 1.2 GB and 30 s
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",  # a second server on one database leaves it half-migrated
}

_COMFORT = {
    # An outage of tracking costs seconds; MLflow's own settings hang 250 s a call. Nobody else sets these.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "7",
    "PREFECT_CLIENT_MAX_RETRIES": "6",  # two minutes in all: a server that is started anew takes one on a busy machine
    "PREFECT_API_REQUEST_TIMEOUT": "8",  # seconds of a try, in place of 60: with one more try within 15
    "PREFECT_LOGGING_LEVEL": "INFO",  # what the Prefect UI shows of a run …
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",  # … and what the terminal shows
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    # Threads that wait busily cost a training beside other work five times its time (see docs/log.md).
    "OMP_WAIT_POLICY": "PASSIVE",
}


def engine_environment(settings: Settings) -> dict[str, str]:
    """What Prefect, MLflow, Feast, Great Expectations and torch must find in their environment."""
    return _addresses(settings) | _SAFETY | _COMFORT | {"OMP_NUM_THREADS": str(settings.threads)}


def service_environment(settings: Settings) -> dict[str, str]:
    """Addresses of databases and stores, passwords included, that engines must find in their environment.

    Apart from `engine_environment`, which may be shown: these never stand on a command line. Only what is set.
    """
    addresses = {
        "MLFLOW_BACKEND_STORE_URI": settings.mlflow_backend_url,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": settings.prefect_database_url,
        "RECLOOP_FEAST_REGISTRY_URL": settings.feast_registry_url,
        "RECLOOP_FEAST_OFFLINE_URL": settings.feast_offline_url,
        "RECLOOP_FEAST_ONLINE_URL": settings.feast_online_url,
    }
    found = {name: url.get_secret_value() for name, url in addresses.items() if url is not None}
    if settings.mlflow_artifacts_url is not None:
        found["MLFLOW_ARTIFACTS_DESTINATION"] = settings.mlflow_artifacts_url
    if settings.artifacts_url is not None:
        found["RECLOOP_ARTIFACTS_URL"] = settings.artifacts_url
        if settings.artifacts != settings.home / "artifacts":  # .env may have said so
            found["RECLOOP_ARTIFACTS"] = str(settings.artifacts)
    return found


def apply_environment(settings: Settings, environ: MutableMapping[str, str] = os.environ) -> None:
    """Set the engines' variables in this process. Call it before the first engine is imported.

    Addresses, telemetry and pickle are decided here; a log level or timeout that was set outside stays.
    """
    environ.update(service_environment(settings))
    for name, value in (engine_environment(settings) | _past_proxies(environ)).items():
        if name in _COMFORT:
            environ.setdefault(name, value)
        else:
            environ[name] = value


def _past_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Servers of this machine are asked directly, whatever proxy the environment names; other hosts are left to it."""
    if not any(environ.get(name) or environ.get(name.upper()) for name in _PROXIES):
        return {}
    told = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    hosts = [host for host in told.split(",") if host.strip()]
    if "*" in hosts:
        return {}
    direct = ",".join([*hosts, *(host for host in (LOOPBACK, "localhost", "::1") if host not in hosts)])
    return {"no_proxy": direct, "NO_PROXY": direct}  # libraries differ in which they read


def _addresses(settings: Settings) -> dict[str, str]:
    return {
        "RECLOOP_HOME": str(settings.home),  # a child process may run in another folder
        "PREFECT_HOME": str(settings.prefect_home),
        "PREFECT_API_URL": settings.prefect_api_url,
        "MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri,
    }
