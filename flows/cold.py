"""Cold items: semantic IDs from content alone for what appeared after the cut, so that the replay can ask for it.

They are for the replay's second pass. The bundle that is registered keeps the IDs of the cut; the next cycle
gives these items IDs of their own, when they have events.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from prefect import task

from components.artifact import ArtifactRef, publish, verified
from components.data import snapshot
from components.features import encoding
from components.features.cache import VectorCache
from components.features.featureset import load_feature_set
from components.tokenizer import ids as semantic_ids
from components.tokenizer.tokenizer import load_tokenizer
from flows.settings import load_settings
from flows.source import open_source
from flows.stages import Outcome, run_once

_IDS_FILE = "semantic_ids.parquet"


@task
def identify_cold(run: str, source: str, window: dict[str, str], ids: dict[str, Any]) -> Outcome:
    """The frozen tokenizer reads what the window's new items are; those without any content get no ID."""
    settings = load_settings()

    def work() -> dict[str, Any]:
        known = read_cold_ids(ids["ids"])
        items = snapshot.read_items(ArtifactRef(**window))
        new = items[~items["item_id"].isin(known.item_ids)]
        vectors = encoding.encode(
            load_feature_set(ArtifactRef(**ids["encoders"])).encoders,
            new,
            root=open_source(source, settings).media_root,
            cache=VectorCache(settings.home / "vectors"),
        )
        has_content = np.any([*vectors.present.values(), np.zeros(len(new), dtype=bool)], axis=0)
        verified(ids["tokenizer"]["path"])
        tokenizer = load_tokenizer(Path(ids["tokenizer"]["path"]))
        codes = tokenizer.assign(
            {name: matrix[has_content] for name, matrix in vectors.vectors.items()},
            {name: mask[has_content] for name, mask in vectors.present.items()},
        )
        table = semantic_ids.append(known, vectors.item_ids[has_content], codes)
        ref = publish(
            settings.artifacts,
            "cold_ids",
            lambda folder: semantic_ids.write_ids(table, folder / _IDS_FILE),
            parents={"ids": ids["ids"]["digest"], "window": window["digest"]},
            config={"num_known": len(known), "num_cold": int(has_content.sum())},
        )
        return {
            "cold_ids": ref.to_dict(),
            "note": f"{int(has_content.sum())} of {len(new)} items that appeared after the cut have content",
        }

    return run_once(
        "identify cold items",
        run=run,
        inputs={
            "window": window["digest"],
            "ids": ids["ids"]["digest"],
            "tokenizer": ids["tokenizer"]["digest"],
            "encoders": ids["encoders"]["digest"],
        },
        config={},
        rooms=("features", "tokenizer"),
        work=work,
    )


def read_cold_ids(ref: dict[str, str]) -> semantic_ids.SemanticIds:
    """The table of `identify_cold`: the IDs of the cut, then those of cold items."""
    verified(ref["path"])
    return semantic_ids.read_ids(Path(ref["path"]) / _IDS_FILE)
