"""Tracking: one MLflow run a cycle, with its curves, facts and files (more of them in `run_facts`).

An outage of MLflow costs seconds, never minutes, and no training: a curve that cannot be sent is kept, and
what is left unsent is said at the end.
"""

from __future__ import annotations

import importlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import mlflow
import mlflow.utils.plugins
import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from components.registry.asked_once import asked_once
from components.registry.experiment import experiment_id_of
from components.registry.metric_names import curve_metric
from components.registry.refusal import refusal_of
from components.registry.registered import TrackingUnreachable
from components.shown_address import shown_address, without_secrets

CYCLE_TAG = "recloop.cycle"
_BATCH = 500  # figures a request; MLflow takes 1,000
_FLUSH_SECONDS = 5.0
_IN_VAIN = 3.0  # seconds of waiting that say: nobody answers, in place of: this request failed
_SAFETY = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
}
_COMFORT = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}

OnStep = Callable[[int, int, dict[str, float]], None]
EndStatus = Literal["FINISHED", "FAILED"]


class NonFiniteMetric(ValueError):
    """A metric is NaN or infinite. MLflow would store infinity as 1.797e308."""


@dataclass(frozen=True, kw_only=True)
class TrackingRun:
    """The MLflow run of a cycle."""

    run_id: str
    experiment_id: str
    name: str
    url: str  # for the browser; "" without a server


def configure(tracking_uri: str) -> None:
    """Point this process at a tracking server: no telemetry, no pickle.

    How long a request may take is the environment's to say: `flows.settings` does, in one place.
    """
    os.environ.update(_SAFETY)
    for name, value in _COMFORT.items():
        os.environ.setdefault(name, value)
    _skip_feast_headers()
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)


def address() -> str:
    """Where this process looks for tracking and registry."""
    return str(mlflow.get_tracking_uri())


@contextmanager
def reaching_tracking() -> Iterator[None]:
    """Turn MLflow's many ways of saying that it cannot be reached, or may not be, into an error of ours."""
    try:
        yield
    except (MlflowException, requests.RequestException) as error:
        # while the local server is down it may be a database's, with a password
        shown = shown_address(address())
        if (refused := refusal_of(error, shown)) is not None:
            raise refused from error
        if not _is_outage(error):
            raise
        raise TrackingUnreachable(
            f"{shown}: MLflow does not answer ({without_secrets(_cause(error), address())}). Start it (`recloop ui` "
            "starts the local one) or name another MLFLOW_TRACKING_URI, then run the same command again."
        ) from error


@reaching_tracking()
def open_run(*, experiment: str, cycle: str, name: str, tags: Mapping[str, str]) -> TrackingRun:
    """The run of this cycle: the one that carries its tag, or a new one.

    Raises TrackingUnreachable.
    """
    client = MlflowClient()
    experiment_id = experiment_id_of(client, experiment)
    found = client.search_runs(
        [experiment_id], f"tags.`{CYCLE_TAG}` = '{cycle}'", order_by=["start_time ASC"]
    )
    if found:
        run = found[0]
        client.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in sorted(tags.items())])
    else:
        with asked_once():
            run = client.create_run(experiment_id, tags={**tags, CYCLE_TAG: cycle}, run_name=name)
    return TrackingRun(
        run_id=run.info.run_id,
        experiment_id=experiment_id,
        name=run.info.run_name,
        url=_url(experiment_id, run.info.run_id),
    )


@contextmanager
def active_run(run: TrackingRun) -> Iterator[None]:
    """Make this the run that Feast and MLflow's own calls log to; then FINISHED, or FAILED if it raised."""
    with reaching_tracking(), mlflow.start_run(run_id=run.run_id):
        yield


@contextmanager
def inside_run(run: TrackingRun) -> Iterator[None]:
    """Make this the run that Feast and MLflow's own calls log to; it goes on afterwards.

    Feast ties a feature service to the run that is active in its process when features are retrieved, if its
    `feature_store.yaml` says `mlflow: {enabled: true}`: put this around the retrieval.
    """
    with reaching_tracking():
        try:
            with mlflow.start_run(run_id=run.run_id):
                yield
        finally:
            MlflowClient().update_run(run.run_id, status="RUNNING")


@reaching_tracking()
def end_run(run: TrackingRun, status: EndStatus) -> None:
    """Say how the run ended; said again, the last word stands. Raises TrackingUnreachable."""
    MlflowClient().set_terminated(run.run_id, status)


@reaching_tracking()
def log_facts(
    run: TrackingRun,
    *,
    params: Mapping[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write parameters, final metrics and tags in one request.

    Raises NonFiniteMetric, TrackingUnreachable, and MLflow's own error for a parameter that was logged with
    another value before.
    """
    now = time.time_ns() // 1_000_000
    refuse_non_finite(metrics or {})
    MlflowClient().log_batch(
        run.run_id,
        metrics=[Metric(metric_key(key), value, now, 0) for key, value in sorted((metrics or {}).items())],
        params=[Param(key, value) for key, value in sorted((params or {}).items())],
        tags=[RunTag(key, value) for key, value in sorted((tags or {}).items())],
    )


@reaching_tracking()
def log_files(run: TrackingRun, files: Sequence[Path], *, folder: str) -> None:
    """Attach files, such as the replay report, under a folder of the run."""
    client = MlflowClient()
    for path in files:
        client.log_artifact(run.run_id, str(path), artifact_path=folder)


@dataclass(kw_only=True)
class TrainingCurve:
    """Curves of one training: `on_step(done, total, figures)` takes what a bar takes; figures go in batches.

    After the first request that fails nothing is sent until the end, and then once more, unless the first one was
    waited for in vain a moment ago. NaN and infinity are drawn as NaN: of a curve they are what was seen.
    """

    run: TrackingRun
    prefix: str  # the arm
    unsent: list[Metric] = field(default_factory=list)
    why_unsent: str = ""  # the last failure
    _sent_at: float = field(default_factory=time.monotonic)
    _waited: float = 0.0  # seconds for an answer that never came

    @property
    def is_in_vain(self) -> bool:
        """Whether to send now would only wait again: nobody answered the last time, seconds ago."""
        return self._waited > _IN_VAIN and time.monotonic() - self._sent_at < _FLUSH_SECONDS

    def on_step(self, done: int, total: int, figures: dict[str, float]) -> None:
        now = time.time_ns() // 1_000_000
        for name, value in figures.items():
            key, seen = curve_metric(self.prefix, name), value if math.isfinite(value) else math.nan
            self.unsent.append(Metric(key, seen, now, done))
        is_due = len(self.unsent) >= _BATCH or time.monotonic() - self._sent_at > _FLUSH_SECONDS
        if is_due and not self.why_unsent:
            self.send()

    def send(self) -> None:
        client, begun = MlflowClient(), time.monotonic()
        try:
            while self.unsent:
                with reaching_tracking():
                    client.log_batch(self.run.run_id, metrics=self.unsent[:_BATCH])
                del self.unsent[:_BATCH]
            self.why_unsent, self._waited = "", 0.0
        except TrackingUnreachable as error:
            self.why_unsent, self._waited = str(error), time.monotonic() - begun
        self._sent_at = time.monotonic()


@contextmanager
def training_curve(run: TrackingRun, prefix: str) -> Iterator[TrainingCurve]:
    """Log what a training tells while it runs. Afterwards `unsent` is empty, or `why_unsent` says why not."""
    curve = TrainingCurve(run=run, prefix=prefix)
    try:
        yield curve
    finally:
        if not curve.is_in_vain:
            curve.send()


def refuse_non_finite(metrics: Mapping[str, float]) -> None:
    for name, value in sorted(metrics.items()):
        if not math.isfinite(value):
            raise NonFiniteMetric(f"metric {name} is {value}. Find out why before it is kept as a figure.")


def metric_key(name: str) -> str:
    """MLflow takes no @ in a metric's name: NDCG@10 becomes NDCG at 10 (see `metric_names`)."""
    return name.replace("@", " at ")


def _url(experiment_id: str, run_id: str) -> str:
    uri = mlflow.get_tracking_uri()
    return f"{uri}/#/experiments/{experiment_id}/runs/{run_id}" if uri.startswith("http") else ""


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, MlflowException) and error.error_code == "TEMPORARILY_UNAVAILABLE":
        return True
    return any(_is_of_the_road(one) for one in (error, error.__cause__ or error.__context__))


def _is_of_the_road(error: BaseException | None) -> bool:
    """No answer, half an answer (a connection that was reset in it), or one that says that the server failed."""
    if isinstance(error, requests.HTTPError):
        return error.response is not None and error.response.status_code >= 500
    lost = (requests.ConnectionError, requests.Timeout, requests.exceptions.RetryError)
    return isinstance(error, (*lost, requests.exceptions.ChunkedEncodingError))


def is_object_store_away(error: BaseException) -> bool:
    """Whether a bucket that artifacts go to directly did not answer; by name, since boto3 is an extra."""
    away = ("HTTPClientError", "ConnectionError")  # of every refused, lost and timed-out connection
    return any(
        base.__module__ == "botocore.exceptions" and base.__name__ in away for base in type(error).__mro__
    )


def _cause(error: BaseException) -> str:
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return str(error) or type(error).__name__


def _skip_feast_headers() -> None:
    """Keep MLflow's first request from importing Feast: 6 s on an idle machine, for a header not needed.

    Feast 0.67 registers itself as a plug-in that adds a token to MLflow's requests; MLflow 3.17 loads all
    such plug-ins when the first request is made.
    """
    everything = mlflow.utils.plugins.get_entry_points
    mlflow.utils.plugins.get_entry_points = lambda group: [e for e in everything(group) if e.name != "feast"]
    try:
        importlib.import_module("mlflow.tracking.request_header.registry")
    finally:
        mlflow.utils.plugins.get_entry_points = everything
