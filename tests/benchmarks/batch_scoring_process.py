"""What `batch_scoring` measures: one run of batch scoring on a prepared home, and a line of figures."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks.peak_memory import peak_mb


def score_and_serve(version: Any, run: Any, store: Any, engine: Any, home: Path) -> tuple[int, list[float]]:
    """Everybody's list into parquet, warehouse and online store: users, and CPU seconds before and after each step."""
    from components.data.recommendations import publish_run, write_lists
    from components.data.served_runs import ScoringRun
    from components.features.store.lists import push_lists
    from components.features.store.offline import latest_sequences
    from components.serving.batch import read_parts, score_everybody
    from components.serving.histories import UserHistories

    source = UserHistories(store=store, cut=latest_sequences(store.home))
    marks = [time.process_time()]
    ref, figures = score_everybody(
        version, source, run, home / "artifacts", now=lambda: datetime.now(UTC), parents={}
    )
    marks.append(time.process_time())
    named = ScoringRun(
        run=run.run, model_version=run.model_version, bundle=run.bundle, feature_set=run.feature_set
    )
    for part in read_parts(ref):
        write_lists(engine, named, part)
    marks.append(time.process_time())
    for part in read_parts(ref):
        push_lists(store, run.run, part)
    publish_run(engine, run.run)
    return figures.num_users, [*marks, time.process_time()]


def main() -> None:
    from components.data.warehouse import open_warehouse
    from components.features.store.lists import make_lists_ready
    from components.features.store.live import feature_set_online
    from components.features.store.opening import open_store
    from components.registry import tracking, versions
    from components.serving.batch import BatchRun
    from components.serving.loaded import load_version

    home = Path(sys.argv[1])
    tracking.configure(f"sqlite:///{home}/mlflow.db")
    champion = versions.require_champion("scored")
    version = load_version(champion, artifacts=home / "fetched", available_since={})
    store, engine = open_store(home / "feast"), open_warehouse(f"sqlite:///{home}/warehouse.db")
    make_lists_ready(store)
    run = BatchRun(
        run="batch-bench", model_version=champion.version, bundle=version.digest,
        feature_set=feature_set_online(store), k=10, exclude_seen=version.excludes_seen, users_at_once=4096,
    )  # fmt: skip
    loaded_mb = peak_mb()
    num_users, marks = score_and_serve(version, run, store, engine, home)
    steps = zip(("scoring", "warehouse", "online_store"), marks, marks[1:], strict=False)
    print(
        json.dumps(
            {
                "users_per_cpu_second": num_users / (marks[-1] - marks[0]),
                "users_per_cpu_second_with_imports": num_users / time.process_time(),
                **{f"{name}_us_a_user": (b - a) / num_users * 1e6 for name, a, b in steps},
                "loaded_mb": loaded_mb,
                "peak_mb": peak_mb(),
            }
        )
    )


if __name__ == "__main__":
    main()
