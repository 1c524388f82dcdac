"""A fit becomes a tokenizer version: its first ID table, what is left of the version before, and its figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from components.artifact import ArtifactRef, publish
from components.tokenizer.fit import Fitted
from components.tokenizer.health import CodebookCollapsed, CodesMeaningless, HealthLimits, check_health
from components.tokenizer.ids import SemanticIds, with_collision_tokens
from components.tokenizer.stability import Stability, check_stability, stability
from components.tokenizer.tokenizer import Tokenizer

KIND = "tokenizer"
HEALTH = "health.json"  # beside the tokenizer's files: figure -> value


@dataclass(frozen=True, kw_only=True)
class Version:
    tokenizer: Tokenizer
    table: SemanticIds  # the items of the fit, in its order
    kept: Stability | None  # of the version before; None where there is none, or no common item
    figures: dict[str, float]  # of health, and of stability where it was measured
    note: str  # one line for a person
    outside: str = (
        ""  # of a baseline: which limit it is outside of, and what to do; "" where it is within all
    )

    @property
    def table_sizes(self) -> list[int]:
        return self.tokenizer.table_sizes(self.table)


def begin_version(
    fitted: Fitted,
    item_ids: np.ndarray,
    edges: Int[np.ndarray, "2 edge"],
    *,
    previous: SemanticIds | None,
    limits: HealthLimits,
    is_baseline: bool = False,
    continues: bool = True,
) -> Version:
    """Check a fit and begin its ID table; `item_ids` ([item] str objects) and distinct `edges` are those of the fit.

    Items of one tuple get their collision tokens by how many users they have. How much of the table of the version
    before is left is told; that some is decides only where this one `continues` it, made by the same tokenizer: who
    names another one asks for other IDs. Raises CodebookCollapsed, CodesMeaningless and IdsUnrelated; of a baseline,
    which is there to be compared with and continues none, the first of the others is told in `outside` instead.
    """
    # edges are distinct, so an item's edges are its users: popularity at the moment when its token is given for good
    popularity = np.bincount(edges[1], minlength=len(item_ids))
    table = with_collision_tokens(item_ids, fitted.codes, popularity)
    kept = stability(previous, table) if previous is not None else None
    outside = ""
    try:
        check_health(fitted.health, limits)
        if kept is not None and continues and not is_baseline:
            check_stability(kept, limits)
    except (CodebookCollapsed, CodesMeaningless) as broken:
        if not is_baseline:
            raise
        outside = str(broken)
    return Version(
        tokenizer=fitted.tokenizer,
        table=table,
        kept=kept,
        figures=fitted.health.metrics() | (kept.metrics() if kept is not None else {}),
        note="; ".join([fitted.health.summary(), *([kept.summary()] if kept is not None else [])]),
        outside=outside,
    )


def publish_tokenizer(
    root: Path, version: Version, *, parents: Mapping[str, str], config: Mapping[str, Any]
) -> ArtifactRef:
    """Publish tokenizer and figures under `root/tokenizer/`; `parents` maps a role to a digest."""

    def write(folder: Path) -> None:
        version.tokenizer.save(folder)
        (folder / HEALTH).write_text(json.dumps(version.figures, indent=1, sort_keys=True))

    return publish(root, KIND, write, parents=parents, config=config)
