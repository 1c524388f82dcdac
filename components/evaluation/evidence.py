"""The published evidence of a replay: written beside its report, read by whoever tells of the verdict."""

from __future__ import annotations

from pathlib import Path

from components.evaluation.evidence_file import EvidenceUnreadable, read_json, typed, write_json
from components.evaluation.replay_evidence import ReplayEvidence
from components.evaluation.result import ReplayResult

__all__ = ["EvidenceUnreadable", "ReplayEvidence", "read_evidence", "write_evidence"]
_AGAIN = "recloop retrain or recloop replay"


def write_evidence(found: ReplayResult | ReplayEvidence, folder: Path) -> Path:
    """Write evidence.json; what `read_evidence` gave is written to the same bytes."""
    evidence = found.evidence if isinstance(found, ReplayResult) else found
    return write_json(evidence.to_dict(), folder)


def read_evidence(folder: Path) -> ReplayEvidence:
    """Raises EvidenceUnreadable for a file that is missing, damaged, or not of a replay."""
    told = read_json(folder, again=_AGAIN)
    evidence: ReplayEvidence = typed(ReplayEvidence, told, folder, again=_AGAIN)
    return evidence
