"""Every address and path of recloop, read from the environment, and what the engines are told of it.

`RECLOOP_*` variables (or a `.env` file in the working folder) change where things lie; nothing else does.
"""

from __future__ import annotations

import getpass
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from components.event_weights import read_event_weights
from components.shown_address import shown_address
from flows.monitor_settings import MonitorSettings
from flows.notify_settings import NotifySettings

if TYPE_CHECKING:
    from components.compute import Compute

LOOPBACK = "127.0.0.1"  # servers without a login are never bound to anything wider


class SettingsError(Exception):
    """An environment variable does not hold what it should; the message names it."""


class Settings(MonitorSettings, NotifySettings):
    """Where state lies and where the engines answer. Unset, all of it lives under one folder, `home`."""

    model_config = SettingsConfigDict(
        env_prefix="RECLOOP_",
        env_file=".env",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,  # an address may carry a password
        env_ignore_empty=True,
    )

    home: Path = Field(default=Path(".recloop"), validate_default=True)

    warehouse_url: SecretStr = Field(
        default_factory=lambda known: SecretStr(f"sqlite:///{known['home'] / 'warehouse.db'}")
    )
    artifacts: Path = Field(default_factory=lambda known: known["home"] / "artifacts")
    gx_root: Path = Field(default_factory=lambda known: known["home"] / "gx")
    feast_home: Path = Field(default_factory=lambda known: known["home"] / "feast")
    prefect_home: Path = Field(default_factory=lambda known: known["home"] / "prefect")

    prefect_port: int = Field(default=4200, ge=1, le=65535)
    mlflow_port: int = Field(default=5000, ge=1, le=65535)
    docs_port: int = Field(default=8090, ge=1, le=65535)

    mlflow_tracking_uri: str = Field(
        default_factory=lambda known: f"http://{LOOPBACK}:{known['mlflow_port']}",
        validation_alias="MLFLOW_TRACKING_URI",
    )
    prefect_api_url: str = Field(
        default_factory=lambda known: f"http://{LOOPBACK}:{known['prefect_port']}/api",
        validation_alias="PREFECT_API_URL",
    )

    # What the servers that recloop starts keep their state in, and Feast its own; unset: files under `home`. The first
    # three under the engines' own names.
    mlflow_backend_url: SecretStr | None = Field(default=None, validation_alias="MLFLOW_BACKEND_STORE_URI")
    mlflow_artifacts_url: str | None = Field(default=None, validation_alias="MLFLOW_ARTIFACTS_DESTINATION")
    prefect_database_url: SecretStr | None = Field(
        default=None, validation_alias="PREFECT_SERVER_DATABASE_CONNECTION_URL"
    )
    feast_registry_url: SecretStr | None = None
    feast_offline_url: SecretStr | None = None
    feast_online_url: SecretStr | None = None
    artifacts_url: str | None = None  # object store behind `artifacts`: s3://bucket/prefix

    model_name: str = Field(default="recloop", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    threads: int = Field(  # of torch, in one process
        default_factory=lambda: usable_cores(),
        ge=1,
        validation_alias=AliasChoices("RECLOOP_THREADS", "OMP_NUM_THREADS"),
    )

    promotion_policy: Literal["auto", "approve"] = "auto"  # approve: nothing moves without a person
    two_person_rule: bool = Field(
        default=False, validate_default=True
    )  # who started a run may not approve it
    actor: str = Field(default_factory=lambda: login_name(), min_length=1)  # who acts, for ledger and rule
    approvals_port: int = Field(default=8091, ge=1, le=65535)  # where MLflow's webhook is taken, on loopback
    webhook_url: str | None = Field(default=None, pattern=r"^https?://")  # by which another MLflow reaches it
    cost_per_hour: float | None = Field(default=None, ge=0)  # of this machine, in any currency

    score_users_at_once: int = Field(default=4096, ge=1)  # users that batch scoring holds in memory

    # limits of a batch: shares of its rows that may be bad before it stops; values that events of a type may have
    max_bad_share: float = Field(default=0.05, ge=0, le=1)
    max_bad_item_share: float = Field(default=0.05, ge=0, le=1)
    value_ranges: str = Field(default="rating=0:10", min_length=1)
    event_weights: str = ""  # what types of events weigh, view=0.2; empty: as recloop.yaml says, else alike

    device: Literal["cpu", "cuda"] = (
        "cpu"  # what tokenizers and arms are trained on, arms rank on, images are read on
    )
    precision: Literal["fp32", "bf16"] = "fp32"  # of their matrix products
    compile: bool = False  # torch.compile; pays on a GPU

    warm_start: bool = False  # whether a retraining begins at the champion's weights, where it can

    engine: Literal["local", "ray"] = "local"  # this process trains and scores everybody, or Ray's workers
    workers: int = Field(default=1, ge=1)  # of Ray
    ray_address: str = ""  # of a Ray that runs, host:port; empty: one is started for the stage, on loopback

    source: str = "movielens"  # what the deployments read
    preset: Literal["default", "accurate", "quick"] = "default"
    profile: Literal["small", "production"] = "small"  # their gate
    retrain_cron: str = "0 3 * * *"  # UTC, as the others
    score_cron: str = "0 5 * * *"
    monitor_cron: str = "15 * * * *"
    work_pool: str = Field(default="recloop", min_length=1)
    work_pool_type: Literal["process", "docker", "kubernetes"] = "process"
    checkout: Path | None = None  # this repository where the worker runs; none: where it lies here
    crashed_after_seconds: int = Field(default=90, ge=35)  # of a run's silence; it beats every 30 s

    serve_host: str = LOOPBACK  # `recloop serve`: a wider one needs API keys
    serve_port: int = Field(default=8000, ge=0, le=65535)
    api_keys: SecretStr | None = None  # separated by commas
    api_keys_file: Path | None = None  # one a line
    serve_allowed_hosts: str = (
        ""  # names in a Host header, separated by commas; empty: any, on loopback its own
    )
    serve_poll_seconds: float = Field(default=2.0, gt=0)  # between two looks at the champion's alias
    serve_rate_per_second: float = Field(default=500.0, ge=0)  # requests of one key; 0: no limit
    max_feature_age_hours: float = Field(default=48.0, gt=0)  # older features are flagged as stale
    events_spool: Path = Field(default_factory=lambda known: known["home"] / "events")
    exposures: Path = Field(default_factory=lambda known: known["home"] / "exposures")
    item_images: Path | None = None  # folder of <item_id>.jpg and the like
    trial_challenger: str | None = None  # alias or version that is tried beside the champion
    trial_share: float = Field(default=0.0, ge=0, le=1)  # of the users who get its lists; 0: shadow only
    trial_salt: str = "live"  # another one deals the users anew

    @property
    def compute(self) -> Compute:
        """What a tokenizer is fitted on, a trained arm ranks on, and images are encoded on."""
        from components.compute import Compute

        return Compute(device=self.device, precision=self.precision)

    @property
    def trained_on(self) -> Compute:
        """The same for the training of arms, which alone may be compiled."""
        return replace(self.compute, compile=self.compile)

    @property
    def ranked_on(self) -> dict[str, str]:
        """What a stage's key says of it: nothing on the CPU in float32; elsewhere results may differ by rounding."""
        found: dict[str, str] = {"device": self.device, "precision": self.precision}
        return {} if found == {"device": "cpu", "precision": "fp32"} else found

    @field_validator(
        "home", "artifacts", "gx_root", "feast_home", "prefect_home", "events_spool", "exposures"
    )
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        try:
            return path.expanduser().resolve()
        except RuntimeError as error:  # ~name of nobody, links in a circle
            raise ValueError(f"{path}: {error}; write the folder out") from None

    @field_validator(
        "feast_registry_url", "feast_offline_url", "feast_online_url", "artifacts_url", mode="before"
    )
    @classmethod
    def _stays_local(cls, url: object) -> object:
        return None if url == "local" else url

    @field_validator("retrain_cron", "score_cron", "monitor_cron")
    @classmethod
    def _is_cron(cls, cron: str) -> str:
        """The shape alone, before servers start for it; Prefect knows which minutes there are."""
        if not re.fullmatch(r"[\w*/,-]+( +[\w*/,-]+){4}", cron.strip()):
            raise ValueError(
                f"{cron!r} is no cron: five fields are wanted, minute, hour, day, month, weekday, such as 0 3 * * *"
            )
        return cron

    @field_validator("mlflow_tracking_uri", "prefect_api_url")
    @classmethod
    def _without_login(cls, address: str) -> str:
        if urlsplit(address).password is not None:
            raise ValueError(
                "the address carries a password, and addresses are printed; give the login apart, in "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or PREFECT_API_AUTH_STRING"
            )
        return address.rstrip("/")

    @field_validator("event_weights")
    @classmethod
    def _are_weights(cls, line: str) -> str:
        read_event_weights(line)
        return line

    @field_validator("two_person_rule")
    @classmethod
    def _asks_a_person(cls, rule: bool, info: ValidationInfo) -> bool:
        if rule and info.data.get("promotion_policy") == "auto":
            raise ValueError(
                "two persons are asked only where one is: set RECLOOP_PROMOTION_POLICY=approve beside it"
            )
        return rule

    @field_validator("workers")
    @classmethod
    def _workers_of_an_engine(cls, workers: int, info: ValidationInfo) -> int:
        if workers > 1 and info.data.get("engine") == "local":
            raise ValueError(
                "more than one worker needs an engine that has them: set RECLOOP_ENGINE=ray beside it"
            )
        return workers

    @property
    def warehouse_address(self) -> str:
        """The warehouse's URL as it may be shown: its password is hidden."""
        return shown_address(self.warehouse_url.get_secret_value())

    @property
    def mlflow_is_local(self) -> bool:
        """Whether the MLflow server is one that recloop starts itself."""
        return _points_at(self.mlflow_tracking_uri, self.mlflow_port)

    @property
    def prefect_is_local(self) -> bool:
        """Whether the Prefect server is one that recloop starts itself."""
        return _points_at(self.prefect_api_url, self.prefect_port)

    @property
    def prefect_ui_url(self) -> str:
        return self.prefect_api_url.removesuffix("/api")

    @property
    def data_docs(self) -> Path:
        """Great Expectations' page of all validations."""
        return self.gx_root / "gx" / "uncommitted" / "data_docs" / "local_site" / "index.html"

    @property
    def sources(self) -> Path:
        """Folder of what sources fetch or make themselves."""
        return self.home / "sources"

    def page_url(self, page: Path) -> str:
        """Address of a page of Data Docs or of a report, while `recloop ui` serves them."""
        for name, folder in self.page_folders.items():
            if page.is_relative_to(folder):
                return f"http://{LOOPBACK}:{self.docs_port}/{name}/{page.relative_to(folder).as_posix()}"
        raise ValueError(f"{page} lies in no folder that is served")

    @property
    def page_folders(self) -> dict[str, Path]:
        """What `recloop ui` serves: first part of the address → folder."""
        return {"data-docs": self.data_docs.parent, "reports": self.reports, "monitoring": self.monitoring}

    def flow_run_url(self, flow_run: str) -> str:
        """Address of a run in Prefect's UI."""
        return f"{self.prefect_ui_url}/runs/flow-run/{flow_run}"

    def version_url(self, version: str) -> str:
        """Address of a registered version in MLflow's UI."""
        return f"{self.mlflow_tracking_uri}/#/models/{self.model_name}/versions/{version}"

    @property
    def reports(self) -> Path:
        """Folder of replay reports, one HTML page each."""
        return self.home / "reports"

    @property
    def monitoring(self) -> Path:
        """Folder of the page of the last `recloop monitor`, and its figures as JSON."""
        return self.home / "monitoring"


def load_settings() -> Settings:
    """The settings of this environment; raises SettingsError naming each variable that is wrong.

    Read anew whenever environment, working folder or .env have changed; else those of before, since reading takes
    8 to 40 ms and a stage asks three times.
    """
    at = _surroundings()
    if (kept := _kept.get(at)) is None:
        kept = _read()
        if _surroundings() == at:  # else another thread changed what was being read
            _kept.clear()
            _kept[at] = kept
    return kept


_Surroundings = tuple[tuple[tuple[str, str], ...], str, tuple[int, int]]
_kept: dict[_Surroundings, Settings] = {}  # the last reading


def _surroundings() -> _Surroundings:
    """What settings depend on."""
    try:
        folder = os.getcwd()
    except FileNotFoundError:  # it was removed
        folder = ""
    return tuple(os.environ.items()), folder, _changed_at(Path(".env"))


def _read() -> Settings:
    try:
        return Settings()
    except UnicodeDecodeError as error:
        raise SettingsError(f".env is no UTF-8 text ({error}). Save it as UTF-8.") from None
    except ValidationError as error:
        faults = [
            f"{_variable(str(fault['loc'][0]))}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors(include_input=False)
            if fault["type"] != "default_factory_not_called"  # follows from another fault
        ]
        raise SettingsError(
            "\n".join(faults)
            + "\nSet it anew in the environment or in .env; .env.example shows every setting."
        ) from None


def _changed_at(path: Path) -> tuple[int, int]:
    """Time and size of a file; zeros where there is none."""
    try:
        told = path.stat()
    except OSError:
        return 0, 0
    return told.st_mtime_ns, told.st_size


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # knows of containers and taskset; Linux only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def login_name() -> str:
    """Who this process runs as; "unknown" where the system has no name for it, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _variable(field: str) -> str:
    return field if field.isupper() else f"RECLOOP_{field.upper()}"


def _points_at(address: str, port: int) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "http" and parts.hostname in {LOOPBACK, "localhost"} and parts.port == port
