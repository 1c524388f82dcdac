"""Settings: read from the environment, derived from each other, and without a way to leak a password."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.monitoring.limits import MonitorLimits
from components.monitoring.measure import Threshold
from components.parallel.workers import Workers
from flows.engine_environment import apply_environment, engine_environment
from flows.settings import Settings, SettingsError, load_settings
from flows.workers import workers_of

ENV_EXAMPLE = Path(__file__).resolve().parents[2] / ".env.example"
CANARY = "canary-4711"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the caller's, and no .env of the checkout."""
    for name in list(os.environ):
        if name.startswith("RECLOOP_") or name in {"MLFLOW_TRACKING_URI", "PREFECT_API_URL"}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_all_state_lies_under_home_by_default(tmp_path: Path) -> None:
    settings = Settings()
    assert settings.home == tmp_path / ".recloop"
    assert settings.warehouse_url.get_secret_value() == f"sqlite:///{tmp_path}/.recloop/warehouse.db"
    for path in (settings.artifacts, settings.gx_root, settings.feast_home, settings.prefect_home):
        assert path.is_relative_to(settings.home)
    assert not settings.home.exists()  # reading settings touches nothing


def test_settings_follow_environment_folder_and_env_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = load_settings()
    assert load_settings() is first  # nothing has changed
    monkeypatch.setenv("RECLOOP_ACTOR", "ann")
    assert load_settings().actor == "ann"
    monkeypatch.delenv("RECLOOP_ACTOR")
    (tmp_path / ".env").write_text("RECLOOP_ACTOR=bo\n")
    assert load_settings().actor == "bo"
    (tmp_path / ".env").write_text("RECLOOP_ACTOR=carla\n")
    assert load_settings().actor == "carla"
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert load_settings().home == tmp_path / "below" / ".recloop"


def test_what_changed_while_it_was_read_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by another thread, which puts another address there for a moment."""

    class Interrupted(Settings):
        def __init__(self) -> None:
            os.environ["RECLOOP_MODEL_NAME"] = "of-a-moment"
            super().__init__()

    monkeypatch.setenv("RECLOOP_HOME", "read-anew")
    with monkeypatch.context() as patched:
        patched.setattr("flows.settings.Settings", Interrupted)
        assert load_settings().model_name == "of-a-moment"
    del os.environ["RECLOOP_MODEL_NAME"]
    assert load_settings().model_name == "recloop"


def test_environment_moves_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECLOOP_HOME", "~/elsewhere")
    monkeypatch.setenv("RECLOOP_MLFLOW_PORT", "5055")
    monkeypatch.setenv("RECLOOP_ARTIFACTS", str(tmp_path / "shelf"))
    settings = Settings()
    assert settings.home == Path.home() / "elsewhere"
    assert settings.artifacts == tmp_path / "shelf"
    assert settings.mlflow_tracking_uri == "http://127.0.0.1:5055"
    assert settings.mlflow_is_local


def test_dotenv_is_read_and_the_environment_beats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("RECLOOP_PREFECT_PORT=4300\nRECLOOP_DOCS_PORT=8300\nUNRELATED=1\n")
    monkeypatch.setenv("RECLOOP_DOCS_PORT", "8400")
    settings = Settings()
    assert (settings.prefect_port, settings.docs_port) == (4300, 8400)


def test_servers_elsewhere_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org/")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9999/api")
    settings = Settings()
    assert settings.mlflow_tracking_uri == "https://mlflow.example.org"
    assert not settings.mlflow_is_local
    assert not settings.prefect_is_local


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().home = Path("/tmp")


def test_a_password_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_WAREHOUSE_URL", f"postgresql+psycopg://me:{CANARY}@db:5432/x?sslmode=disable")
    settings = Settings()
    assert settings.warehouse_address == "postgresql+psycopg://me:***@db:5432/x?sslmode=disable"
    assert CANARY in settings.warehouse_url.get_secret_value()
    assert (
        CANARY not in repr(settings) + str(settings) + settings.model_dump_json() + settings.warehouse_address
    )
    assert CANARY not in str(engine_environment(settings))


@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "PREFECT_API_URL"])
def test_a_printed_address_may_not_carry_a_password(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, f"http://me:{CANARY}@host:5000")
    with pytest.raises(SettingsError, match=variable) as caught:
        load_settings()
    assert CANARY not in str(caught.value)


def test_a_wrong_setting_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_MLFLOW_PORT", "five thousand")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith("RECLOOP_MLFLOW_PORT: ")
    assert "TRACKING_URI" not in str(
        caught.value
    )  # its default could not be made, which is no fault of its own


def test_engines_are_told_safety_always_and_comfort_by_default() -> None:
    environ = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true", "MLFLOW_HTTP_REQUEST_TIMEOUT": "77"}
    settings = Settings(mlflow_port=5055)
    apply_environment(settings, environ)
    assert environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert environ["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5055"
    assert environ["RECLOOP_HOME"] == str(settings.home)
    assert environ.keys() == engine_environment(settings).keys()


def test_applied_settings_read_back_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A child process that inherits the environment finds the same places from another folder."""
    settings = Settings(home=tmp_path / "home", threads=1)
    for name, value in engine_environment(settings).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert Settings() == settings


def test_importing_settings_loads_no_engine() -> None:
    engines = {"prefect", "mlflow", "torch", "pandas", "sqlalchemy"}
    probe = f"import sys, flows.settings; sys.exit(', '.join({engines} & sys.modules.keys()) or 0)"
    root = ENV_EXAMPLE.parent
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_example_names_every_setting_and_holds_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uncommented as it stands, .env.example changes nothing."""
    lines = [line.removeprefix("# ") for line in ENV_EXAMPLE.read_text().splitlines() if "=" in line]
    example = dict(line.split("=", 1) for line in lines if line.split("=", 1)[0].isupper())
    variables = {
        name
        if (alias := field.validation_alias) is None
        else alias
        if isinstance(alias, str)
        else alias.choices[0]
        for name, field in (
            (f"RECLOOP_{name.upper()}", field) for name, field in Settings.model_fields.items()
        )
    }
    assert variables <= example.keys()
    default = Settings(threads=1)
    for name, value in example.items():
        monkeypatch.setenv(name, value)
    assert Settings(threads=1) == default


def test_bounds_of_monitoring_are_those_of_the_component_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().monitor_limits == MonitorLimits()
    monkeypatch.setenv("RECLOOP_MONITOR_PSI_DRIFT", "0.4")
    monkeypatch.setenv("RECLOOP_MONITOR_MIN_ITEMS", "7")
    limits = Settings().monitor_limits
    assert (limits.psi, limits.min_items) == (Threshold(warn=0.1, drift=0.4), 7)
    assert limits.new_share == MonitorLimits().new_share


def test_a_bound_of_drift_below_its_warning_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_MONITOR_METRIC_FALL_WARN", "0.5")
    with pytest.raises(SettingsError, match=r"RECLOOP_MONITOR_METRIC_FALL_DRIFT: 0\.2 is below .* 0\.5"):
        load_settings()


@pytest.mark.parametrize("variable", ["RECLOOP_RETRAIN_CRON", "RECLOOP_SCORE_CRON", "RECLOOP_MONITOR_CRON"])
@pytest.mark.parametrize("cron", ["every day", "0 3 * *"])  # an empty one is not set
def test_what_is_no_cron_is_named_before_a_server_starts(
    monkeypatch: pytest.MonkeyPatch, variable: str, cron: str
) -> None:
    monkeypatch.setenv(variable, cron)
    with pytest.raises(SettingsError, match=f"{variable}: .* is no cron: five fields"):
        load_settings()
    monkeypatch.setenv(variable, "*/15 8-18 * * MON,TUE")
    load_settings()


@pytest.mark.parametrize(
    ("variable", "value", "wanted"),
    [
        ("RECLOOP_NOTIFY_SLACK", "https://example.org/a-token", r"hooks\.slack\.com"),
        ("RECLOOP_NOTIFY_EMAIL", "team@example.org/a-token", "mailtos://"),
        ("RECLOOP_NOTIFY_WEBHOOK", "a-token", "https://"),
        ("RECLOOP_NOTIFY_BLOCKS", "slack-webhook/team, pager", "'pager' is no block"),
    ],
)
def test_where_no_message_can_go_is_named_and_no_token_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, wanted: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"{variable}: .*{wanted}") as refused:
        load_settings()
    assert "a-token" not in str(refused.value)


def test_a_proxy_is_not_asked_for_servers_of_this_machine() -> None:
    environ = {"http_proxy": "http://proxy:3128", "no_proxy": "intranet"}
    apply_environment(Settings(), environ)
    assert environ["no_proxy"] == environ["NO_PROXY"] == "intranet,127.0.0.1,localhost,::1"
    assert environ["http_proxy"] == "http://proxy:3128"  # for whatever lies elsewhere
    without: dict[str, str] = {}
    apply_environment(Settings(), without)
    assert "no_proxy" not in without


def test_more_workers_than_one_need_an_engine_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_WORKERS", "2")
    with pytest.raises(SettingsError, match=r"RECLOOP_WORKERS: .*RECLOOP_ENGINE=ray"):
        load_settings()
    monkeypatch.setenv("RECLOOP_ENGINE", "ray")
    assert load_settings().workers == 2


def test_workers_of_a_ray_started_here_share_the_threads_of_this_machine() -> None:
    assert workers_of(Settings()) is None
    here = Settings(engine="ray", workers=3, threads=8)
    assert workers_of(here) == Workers(count=3, threads=2)
    there = Settings(engine="ray", workers=3, threads=8, ray_address="ray-head:6379")
    assert workers_of(there) == Workers(count=3, threads=8, address="ray-head:6379")


@pytest.mark.parametrize(("preset", "workers"), [("one-gpu", None), ("eight-gpus", 8), ("cluster", 32)])
def test_the_presets_of_machines_are_settings(preset: str, workers: int | None) -> None:
    path = ENV_EXAMPLE.parent / "infra" / "ray" / f"{preset}.env"
    found = workers_of(Settings(_env_file=path))  # type: ignore[call-arg]
    assert (found.count if found else None) == workers
    named = {line.partition("=")[0] for line in path.read_text().splitlines() if line[:1] not in ("", "#")}
    assert named <= {f"RECLOOP_{name.upper()}" for name in Settings.model_fields}
