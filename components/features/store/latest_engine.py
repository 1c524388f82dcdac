"""Feast's local engine without its detour through pandas where there is nothing to choose.

Feast's own has pandas drop all but a user's latest row, and holds every list as an object for that. A materialization
of one cut has one row a user: its rows go from the offline store's columns to the online store, a batch of
`online_write_batch_size` as protobufs at a time. Memory: the cut's rows as columns. Of several cuts Feast's own step
chooses. A configured class of one's own is Feast's own way to name an engine; reading, writing and what is remembered
of it stay Feast's.
"""

from __future__ import annotations

from typing import Any, Literal

import pyarrow.compute as pc
from feast.infra.common.materialization_job import MaterializationJobStatus
from feast.infra.compute_engines.local.compute import LocalComputeEngine
from feast.infra.compute_engines.local.feature_builder import LocalFeatureBuilder
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.compute_engines.local.nodes import LocalDedupNode
from feast.repo_config import FeastConfigBaseModel

from components.features.store.file_cache import read_files_anew


class LatestEngineConfig(FeastConfigBaseModel):
    """Feast finds this class by the name of the engine's."""

    type: Literal["components.features.store.latest_engine.LatestEngine"] = (
        "components.features.store.latest_engine.LatestEngine"
    )


class _LatestNode(LocalDedupNode):
    """Rows as they come where no key is there twice, else Feast's choice."""

    def execute(self, context: Any) -> Any:
        value = self.get_single_table(context)
        keys = self.column_info.join_keys_columns
        if len(keys) == 1 and pc.count_distinct(value.data[keys[0]]).as_py() == len(value.data):
            return value
        return super().execute(context)


class _SourceToOnline(LocalFeatureBuilder):
    def build_filter_node(self, view: Any, input_node: Any) -> Any:
        """The source is read within the interval, and the views have no ttl."""
        return input_node

    def build_dedup_node(self, view: Any, input_node: Any) -> Any:
        node = _LatestNode("dedup", self.get_column_info(view), self.backend, inputs=[input_node])
        self.nodes.append(node)
        return node


class LatestEngine(LocalComputeEngine):
    """`LocalComputeEngine` but for the steps in the middle of a materialization."""

    def _materialize_one(self, registry: Any, task: Any, **kwargs: Any) -> LocalMaterializationJob:
        read_files_anew()
        context = self.get_execution_context(registry, task)
        job = f"{task.feature_view.name}-{task.start_time}-{task.end_time}"
        try:
            builder = _SourceToOnline(registry, task, backend=self._get_backend(context))
            builder.build().execute(context)
        except Exception as error:
            return LocalMaterializationJob(job_id=job, status=MaterializationJobStatus.ERROR, error=error)
        return LocalMaterializationJob(job_id=job, status=MaterializationJobStatus.SUCCEEDED)
