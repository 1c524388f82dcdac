"""The published evidence of a judged log. It holds all that was found, so it is read back as the result itself."""

from __future__ import annotations

from pathlib import Path

from components.evaluation.counterfactual.evaluation import LoggedResult
from components.evaluation.evidence_file import EvidenceUnreadable, read_json, typed, write_json

__all__ = ["EvidenceUnreadable", "LoggedEvidence", "read_evidence", "write_evidence"]
_AGAIN = "recloop replay --logged"

LoggedEvidence = LoggedResult


def write_evidence(found: LoggedEvidence, folder: Path) -> Path:
    """Write evidence.json; what `read_evidence` gave is written to the same bytes."""
    return write_json(found.to_dict(), folder)


def read_evidence(folder: Path) -> LoggedEvidence:
    """Raises EvidenceUnreadable for a file that is missing, damaged, or not of a judged log."""
    told = read_json(folder, again=_AGAIN)
    del told["digest"]  # made of the rest, and checked just now
    evidence: LoggedEvidence = typed(LoggedResult, told, folder, again=_AGAIN)
    return evidence
