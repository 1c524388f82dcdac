"""What a run's page in MLflow tells beside its curves: parameters, data sets, users' metrics, what it cost."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.data.dataset import Dataset
from mlflow.data.dataset_source import DatasetSource
from mlflow.entities import DatasetInput, InputTag, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS, MLFLOW_RUN_NOTE
from mlflow.utils.validation import (
    MAX_ENTITY_KEY_LENGTH,
    MAX_PARAM_VAL_LENGTH,
    MAX_PARAMS_TAGS_PER_BATCH,
)

from components.registry.metric_names import cost_metric, meanings_table
from components.registry.short import SHA256, short
from components.registry.tracking import TrackingRun, log_facts, reaching_tracking

USERS = "per_user"  # folder of the run's artifacts
_ROWS_SHOWN = 2_000  # MLflow's page loads the whole table into the browser
_CUT = " …"


@reaching_tracking()
def log_params(run: TrackingRun, stage: str, config: Any) -> None:
    """Write a stage's configuration (dataclass or mapping, nested) as parameters `stage.field.part`.

    Values are cut at MLflow's 6,000 characters; a digest is short, and whole in the tag `recloop.<parameter>`.
    Again with the same values changes nothing. MLflow keeps a
    parameter for ever: where a stage was worked anew with another value, that value is a tag of the same name.
    """
    flat = _flat(stage, config)
    told = {key[:MAX_ENTITY_KEY_LENGTH]: _cut(short(value)) for key, value in sorted(flat.items())}
    client = MlflowClient()
    kept = client.get_run(run.run_id).data.params
    params = [Param(key, value) for key, value in told.items() if key not in kept]
    tags = [RunTag(key, value) for key, value in told.items() if kept.get(key, value) != value]
    tags += [RunTag(f"recloop.{key}", value) for key, value in flat.items() if SHA256.fullmatch(value)]
    for at in range(0, max(len(params), len(tags)), MAX_PARAMS_TAGS_PER_BATCH // 2):
        rows = slice(at, at + MAX_PARAMS_TAGS_PER_BATCH // 2)
        client.log_batch(run.run_id, params=params[rows], tags=tags[rows])


class SnapshotSource(DatasetSource):
    """Where a snapshot lies, and the digest that says whether what lies there is still it."""

    def __init__(self, *, uri: str, sha256: str) -> None:
        self.uri, self.sha256 = uri, sha256

    @staticmethod
    def _get_source_type() -> str:
        return "recloop_snapshot"

    def load(self) -> str:
        """The address itself: `recloop` reads snapshots."""
        return self.uri

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        return False  # never guessed from a path

    @classmethod
    def _resolve(cls, raw_source: Any) -> SnapshotSource:
        raise NotImplementedError("a snapshot is named by its digest, not by a path")

    def to_dict(self) -> dict[str, Any]:
        return {"uri": self.uri, "sha256": self.sha256}

    @classmethod
    def from_dict(cls, source_dict: dict[Any, Any]) -> SnapshotSource:
        return cls(uri=source_dict["uri"], sha256=source_dict["sha256"])


class SnapshotDataset(Dataset):
    """A snapshot as MLflow shows data sets; no row of it is read or copied."""

    def __init__(self, *, name: str, digest: str, path: str, profile: Mapping[str, int | str]) -> None:
        self._profile = dict(profile)
        source = SnapshotSource(uri=path, sha256=digest)
        super().__init__(source=source, name=name, digest=short(digest))

    def _compute_digest(self) -> str:
        raise NotImplementedError("the snapshot's own digest is given")

    @property
    def profile(self) -> dict[str, int | str]:
        return self._profile

    @property
    def schema(self) -> None:
        return None

    def to_dict(self) -> dict[str, str]:
        return super().to_dict() | {"profile": json.dumps(self._profile, sort_keys=True)}


@reaching_tracking()
def log_dataset(
    run: TrackingRun,
    *,
    name: str,
    digest: str,
    path: str,
    context: str,
    profile: Mapping[str, int | str] | None = None,
) -> None:
    """Tie a snapshot to the run as an MLflow data set, by name and digest; nothing of it is uploaded.

    `context` is what it was for, "training" or "evaluation"; `profile` what the page shows of it, such as
    the number of events. Again changes nothing.
    """
    dataset = SnapshotDataset(name=name, digest=digest, path=path, profile=profile or {})
    tag = InputTag("mlflow.data.context", context)
    MlflowClient().log_inputs(
        run.run_id, datasets=[DatasetInput(dataset=dataset._to_mlflow_entity(), tags=[tag])]
    )


@reaching_tracking()
def log_user_metrics(run: TrackingRun, table: pd.DataFrame, *, name: str) -> None:
    """Keep per-user metrics: whole as `per_user/<name>.parquet`, the first rows as a table on the run's page.

    `table`: one row a user (and arm), its keys and metrics. The same name again replaces both, so that a run
    that is killed and resumed shows no user twice (MLflow's own `log_table` appends).
    """
    client = MlflowClient()
    shown = f"{USERS}/{name}.json"
    with tempfile.TemporaryDirectory(prefix="recloop-") as folder:
        whole, head = Path(folder) / f"{name}.parquet", Path(folder) / f"{name}.json"
        table.to_parquet(whole, index=False)
        table.head(_ROWS_SHOWN).to_json(head, orient="split", index=False, double_precision=6)
        for path in (whole, head):
            client.log_artifact(run.run_id, str(path), artifact_path=USERS)
    kept = json.loads(client.get_run(run.run_id).data.tags.get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
    if (entry := {"path": shown, "type": "table"}) not in kept:
        client.set_tag(run.run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps([*kept, entry]))


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a cycle took. None: this machine, or nobody, tells."""

    seconds: float
    peak_mb: float
    energy_joules: float | None = None
    money: float | None = None  # in the unit of RECLOOP_COST_PER_HOUR


def cost_of(
    *, seconds: float, peak_mb: float, energy_joules: float | None = None, rate_per_hour: float | None = None
) -> Cost:
    """Add the money: hours by the hour's rate."""
    money = None if rate_per_hour is None else seconds / 3600 * rate_per_hour
    return Cost(seconds=seconds, peak_mb=peak_mb, energy_joules=energy_joules, money=money)


def log_cost(run: TrackingRun, cost: Cost) -> None:
    """Write what is known of the cost as metrics `cost/…`."""
    figures = {cost_metric(key): value for key, value in asdict(cost).items() if value is not None}
    log_facts(run, metrics=figures)


def describe_run(
    run: TrackingRun, *, source: str, description: str, user: str = "", commit: str = ""
) -> None:
    """What MLflow shows at the run's head: what started it (a command, a flow), and what it is, in markdown.

    `commit` of the code, which MLflow shows beside the source.
    """
    tags = {
        "mlflow.source.name": source, "mlflow.source.type": "JOB", "mlflow.note.content": description,
        "mlflow.user": user, "mlflow.source.git.commit": commit,
    }  # fmt: skip
    log_facts(run, tags={name: value for name, value in tags.items() if value})


@reaching_tracking()
def conclude_run(run: TrackingRun, *, name: str, description: str) -> None:
    """Name the run for what came of it, and say it, with the meaning of every metric of the run.

    What it cost is known only after it ends, and explained all the same.
    """
    client = MlflowClient()
    costs = (cost_metric(part.name) for part in fields(Cost))
    meanings = meanings_table({*client.get_run(run.run_id).data.metrics, *costs})
    client.update_run(run.run_id, name=name)
    client.set_tag(run.run_id, MLFLOW_RUN_NOTE, "\n\n".join(filter(None, (description, meanings))))


def _flat(prefix: str, value: Any) -> dict[str, str]:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    elif hasattr(value, "model_dump"):  # a pydantic model
        value = value.model_dump()
    if isinstance(value, Mapping):
        return {
            key: text for name, part in value.items() for key, text in _flat(f"{prefix}.{name}", part).items()
        }
    return {prefix: _text(value)}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, datetime | Path):
        return str(value)
    return json.dumps(value, default=str)


def _cut(text: str) -> str:
    if len(text) <= MAX_PARAM_VAL_LENGTH:
        return text
    return text[: MAX_PARAM_VAL_LENGTH - len(_CUT)] + _CUT
