"""Whether the frozen tokenizer still suits what came after its fit: the gate before its IDs are extended."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from prefect import task
from prefect.artifacts import create_table_artifact

from components.artifact import ArtifactRef
from components.data import snapshot
from components.features import encoding
from components.features.featureset import load_feature_set
from components.features.vectors import ItemVectors
from components.monitoring.codes import Placed, code_measures, why_unhealthy
from components.monitoring.limits import MonitorLimits
from components.monitoring.measure import Measure, worst
from components.tokenizer.tokenizer import Tokenizer
from flows.item_content import ItemContent, content_of
from flows.local.console import progress_bar
from flows.measures_shown import measure_rows
from flows.semantic_ids import open_tokenizer
from flows.stages import StageResult, key_of, run_once


@dataclass(frozen=True, kw_only=True)
class TokenizerHealth:
    """The measures of components/monitoring/codes.py, and what follows from them."""

    measures: tuple[Measure, ...]
    num_new: int  # items that came after the fit, with content or without
    unhealthy: str  # why it should be refitted; "" where it need not be

    @property
    def note(self) -> str:
        if self.unhealthy:
            return (
                f"to be refitted, since on {self.num_new:,} items that came after its fit: {self.unhealthy}"
            )
        if (found := worst(self.measures)) == "not evaluable":
            return f"kept; its health on new items is not evaluable: {self.measures[0].reason}"
        return f"kept; its health on {self.num_new:,} items that came after its fit: {found}"


@task(task_run_name="check-tokenizer")
def check_tokenizer(
    run: str, source: str | None, items: ArtifactRef, encoders: ArtifactRef, tokenizer: ArtifactRef,
    limits: MonitorLimits, mapping: str = "",
) -> StageResult[TokenizerHealth]:  # fmt: skip
    """Place the items of a snapshot that came after the tokenizer's fit, and hold them against those of the fit.

    `encoders` is the feature set of the fit. Nothing is given an ID here.
    """
    content = content_of(source, mapping)
    key = key_of(
        check_tokenizer, "check tokenizer", run=run,
        reads={"items": items, "encoders": encoders, "tokenizer": tokenizer},
        facts=asdict(limits) | content.facts,
    )  # fmt: skip

    def work() -> TokenizerHealth:
        fitted = load_feature_set(encoders)
        new = vectors_of_new(fitted.encoders, fitted.vectors.item_ids, items, content)
        frozen = open_tokenizer(tokenizer)
        measures = code_measures(_placed(frozen, fitted.vectors), _placed(frozen, new), limits)
        return TokenizerHealth(measures=measures, num_new=len(new), unhealthy=why_unhealthy(measures))

    checked = run_once(key, TokenizerHealth, work, computes=True)
    create_table_artifact(
        key="tokenizer-health", table=measure_rows(checked.output.measures),
        description="The frozen tokenizer on items that came after its fit",
    )  # fmt: skip
    return checked


def vectors_of_new(
    encoders: encoding.Encoders, known: np.ndarray, items: ArtifactRef, content: ItemContent
) -> ItemVectors:
    """Vectors of the snapshot's items that are not among `known`, and of what their source has beside them."""
    stated = snapshot.read_items(items)
    with progress_bar("encode new items") as on_step:
        return content.encode(encoders, stated[~stated["item_id"].isin(known)], on_step)


def _placed(tokenizer: Tokenizer, vectors: ItemVectors) -> Placed:
    """By content alone; an item without any is placed nowhere."""
    has_content = np.any([*vectors.present.values(), np.zeros(len(vectors), dtype=bool)], axis=0)
    found = tokenizer.place(
        {name: matrix[has_content] for name, matrix in vectors.vectors.items()},
        {name: mask[has_content] for name, mask in vectors.present.items()},
    )
    return Placed(codes=found.codes, error=found.error)
