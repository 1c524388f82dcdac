"""Contracts: Great Expectations finds the rows that must not land, and says why in reason codes."""

from components.data.contracts.batch_check import (
    ContractConfig,
    TooMuchBad,
    check_batch,
)
from components.data.contracts.validation import ValidationNotRun, data_docs_index
from components.data.contracts.vector_check import (
    ModalityReport,
    VectorCheck,
    VectorLimits,
    check_item_vectors,
)

__all__ = [
    "ContractConfig",
    "ModalityReport",
    "TooMuchBad",
    "ValidationNotRun",
    "VectorCheck",
    "VectorLimits",
    "check_batch",
    "check_item_vectors",
    "data_docs_index",
]
