"""Item vectors against their contract: finite, of the encoder's shape and scale, not zero, not missing in bulk.

A non-finite vector of a present item stops the run, since one NaN spreads through every layer after it.
Missing, zero and duplicate vectors are health figures with limits: some are honest, most are a feed that broke
or an encoder that failed. Every limit is one that a person can set, under the name of its field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from components.data.batch import DataContractError
from components.data.contracts.subject import Subject

_FIXES = {  # reason code, worst first -> what to do
    "non-finite": "Replace this item's content in the source, or leave it out there.",
    "too long": "Replace this item's content in the source, or accept longer vectors with --max-norm.",
    "too short": "Replace this item's content in the source, or accept shorter vectors with --min-norm.",
    "zero": "The encoder knows nothing in their content: give these items words or pictures that say something, "
    "leave the field empty, so that they count as missing, or accept more with --max-zero-share.",
    "duplicates": "The encoder says one thing of nearly everything: give items content of their own, leave out of "
    "the source what is the same for all, or accept more with --max-duplicate-share.",
}


@dataclass(frozen=True, kw_only=True)
class VectorLimits:
    """Limits that every modality keeps. A field's name, with dashes, is the option that sets it."""

    max_missing_share: float = 0.9  # of the items; those that have no image, say
    max_zero_share: float = 0.1  # of the present vectors, as the next
    max_duplicate_share: float = 0.9  # films of the same genres and year have the same metadata vector
    min_norm: float = 0.0  # L2, of vectors that are not zero
    max_norm: float = 1e4
    min_present: int = 1  # items with a vector

    def __post_init__(self) -> None:
        for name in ("max_missing_share", "max_zero_share", "max_duplicate_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"--{name.replace('_', '-')} is {getattr(self, name)}; a share lies in [0, 1]"
                )
        if not 0 <= self.min_norm < self.max_norm:
            raise ValueError(f"--min-norm {self.min_norm} is not from 0 to below --max-norm {self.max_norm}")
        if self.min_present < 1:
            raise ValueError(f"--min-present is {self.min_present}; a modality that nobody has is left out")


@dataclass(frozen=True, kw_only=True)
class ModalityReport:
    num_items: int
    num_present: int
    dim: int
    missing_share: float  # of the items
    zero_share: float  # of the present vectors
    duplicate_share: float  # equal, bit by bit, to one of an earlier item
    min_norm: float  # L2, of those that are not zero; NaN if all are
    max_norm: float


@dataclass(frozen=True, kw_only=True)
class VectorCheck:
    modalities: dict[str, ModalityReport]
    data_docs: str


def check_item_vectors(
    item_ids: Sequence[str],
    vectors: Mapping[str, Float[np.ndarray, "item dim"]],
    masks: Mapping[str, Bool[np.ndarray, "item"]],
    *,
    gx_root: Path,
    limits: VectorLimits,
    dims: Mapping[str, int] | None = None,
    called: str = "",
    digest: str = "",
) -> VectorCheck:
    """Check every modality; `masks` says which items have it (True: present).

    `dims` is what the encoder of each modality gives; `called` and `digest` name the vectors in Data Docs.
    Raises DataContractError naming modality, item, and the option that sets the limit.
    """
    from components.data.contracts.expectations import vector_suite
    from components.data.contracts.validation import validate

    if not vectors:
        raise DataContractError(
            "no item has a vector of any modality. Give items a title, categories, an image or a sound."
        )
    modalities = sorted(vectors)
    for modality in modalities:
        _refuse_misshapen(modality, item_ids, vectors[modality], masks.get(modality), dims, limits)
    facts = pd.concat(
        [_facts(modality, item_ids, vectors[modality], masks[modality]) for modality in modalities],
        ignore_index=True,
    )
    suite = vector_suite(
        modalities,
        num_rows=len(facts),
        max_zero_share=limits.max_zero_share,
        max_duplicate_share=limits.max_duplicate_share,
        norms=(limits.min_norm, limits.max_norm),
    )
    subject = Subject(rows="item vectors", batch=called, digest=digest, limit=0.0, aside="refused")
    found = validate(facts, suite, subject=subject, gx_root=gx_root, shown=("modality",))
    if found.reasons:
        _refuse(facts, found.reasons)
    return VectorCheck(
        modalities={
            modality: _report(facts[facts["modality"] == modality], vectors[modality])
            for modality in modalities
        },
        data_docs=found.page,
    )


def _refuse_misshapen(
    modality: str,
    item_ids: Sequence[str],
    vectors: np.ndarray,
    mask: np.ndarray | None,
    dims: Mapping[str, int] | None,
    limits: VectorLimits,
) -> None:
    expected_dim = vectors.shape[-1] if dims is None or modality not in dims else dims[modality]
    if vectors.shape != (len(item_ids), expected_dim):
        raise DataContractError(
            f"{modality}: vectors of shape {vectors.shape}, expected {(len(item_ids), expected_dim)} "
            "(item, dim). Encode the modality again, with the encoder that the configuration names."
        )
    if mask is None or mask.shape != (len(item_ids),):
        found = "none" if mask is None else f"one of shape {mask.shape}"
        raise DataContractError(f"{modality}: needs a mask of shape {(len(item_ids),)}, found {found}.")
    if (num_present := int(mask.sum())) < limits.min_present:
        raise DataContractError(
            f"{modality}: {num_present:,} of {len(item_ids):,} items have a vector, at least "
            f"{limits.min_present:,} expected. Check that the source's {modality} can be read, leave it out there, "
            "or accept fewer with --min-present."
        )
    if (missing_share := (len(item_ids) - num_present) / len(item_ids)) > limits.max_missing_share:
        raise DataContractError(
            f"{modality}: {len(item_ids) - num_present:,} of {len(item_ids):,} items have no vector "
            f"({missing_share:.1%}, limit {limits.max_missing_share:.1%}). Look for what no longer arrives with "
            "the items, or accept more with --max-missing-share."
        )


def _facts(modality: str, item_ids: Sequence[str], vectors: np.ndarray, mask: np.ndarray) -> pd.DataFrame:
    """One row a present vector."""
    # contiguous, so that a row's bytes are its values in order
    present = np.ascontiguousarray(vectors[mask])
    return pd.DataFrame(
        {
            "modality": modality,
            "item_id": np.asarray(item_ids, dtype=object)[mask],
            "num_non_finite": (~np.isfinite(present)).sum(axis=1),
            "num_non_zero": (present != 0).sum(axis=1),
            "norm": _norms(present),
            "is_duplicate": pd.Series([row.tobytes() for row in present], dtype=object).duplicated(),
        }
    )


def _refuse(facts: pd.DataFrame, reasons: Mapping[int, tuple[str, ...]]) -> None:
    """Raise for the worst kind of fault, naming its first vector."""
    for code in _FIXES:
        positions = [position for position, codes in reasons.items() if code in codes]
        if positions:
            first = facts.iloc[positions[0]]
            same = int((facts.iloc[positions]["modality"] == first["modality"]).sum())
            of = int((facts["modality"] == first["modality"]).sum())
            raise DataContractError(
                f"{first['modality']}: {same:,} of {of:,} vectors are {code}; first is item "
                f"{first['item_id']!r}. {_FIXES[code]}"
            )


def _norms(vectors: np.ndarray) -> Float[np.ndarray, "item"]:
    """L2, null for zero and for non-finite vectors, of which more is said elsewhere."""
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    return np.where((norms > 0) & np.isfinite(norms), norms, np.nan)


def _report(facts: pd.DataFrame, vectors: np.ndarray) -> ModalityReport:
    return ModalityReport(
        num_items=len(vectors),
        num_present=len(facts),
        dim=vectors.shape[1],
        missing_share=1 - len(facts) / len(vectors),
        zero_share=float((facts["num_non_zero"] == 0).mean()),
        duplicate_share=float(facts["is_duplicate"].mean()),
        min_norm=float(facts["norm"].min()),
        max_norm=float(facts["norm"].max()),
    )
