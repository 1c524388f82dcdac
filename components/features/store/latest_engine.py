"""Feast's local engine without its detour through pandas: what is materialized is asked for as it is to be, and streamed.

Feast's own pulls every row of every cut, has pandas drop all but the latest, and so holds each list as an object some
four times over. Here the offline store itself is asked for the latest row a user (`pull_latest_features` in
feature_store.yaml), so the steps between source and online store have nothing left to do, and rows are turned into
protobufs a batch at a time. Memory: the latest rows as columns. A configured class of one's own is Feast's own way to
choose an engine; reading, writing and what is remembered of it stay Feast's.
"""

from __future__ import annotations

from typing import Any, Literal

from feast.infra.common.materialization_job import MaterializationJobStatus
from feast.infra.compute_engines.local.compute import LocalComputeEngine
from feast.infra.compute_engines.local.feature_builder import LocalFeatureBuilder
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.repo_config import FeastConfigBaseModel


class LatestEngineConfig(FeastConfigBaseModel):
    """Feast finds this class by the name of the engine's."""

    type: Literal["components.features.store.latest_engine.LatestEngine"] = (
        "components.features.store.latest_engine.LatestEngine"
    )


class _SourceToOnline(LocalFeatureBuilder):
    """The source's rows as they come: they are the latest of the interval already, and the views have no ttl."""

    def build_filter_node(self, view: Any, input_node: Any) -> Any:
        return input_node

    def build_dedup_node(self, view: Any, input_node: Any) -> Any:
        return input_node


class LatestEngine(LocalComputeEngine):
    """`LocalComputeEngine` but for the steps in the middle of a materialization."""

    def _materialize_one(self, registry: Any, task: Any, **kwargs: Any) -> LocalMaterializationJob:
        if not self.repo_config.materialization_config.pull_latest_features:
            raise ValueError("feature_store.yaml must say materialization: pull_latest_features: true")
        context = self.get_execution_context(registry, task)
        job = f"{task.feature_view.name}-{task.start_time}-{task.end_time}"
        try:
            builder = _SourceToOnline(registry, task, backend=self._get_backend(context))
            builder.build().execute(context)
        except Exception as error:
            return LocalMaterializationJob(job_id=job, status=MaterializationJobStatus.ERROR, error=error)
        return LocalMaterializationJob(job_id=job, status=MaterializationJobStatus.SUCCEEDED)
