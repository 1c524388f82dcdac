"""evidence.json, in which a replay of either kind is published: written sorted, read checked against its digest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.artifact import digest_of
from components.evaluation.typed_json import MismatchedJson, from_json

EVIDENCE_FILE = "evidence.json"
_OUTSIDE_DIGEST = ("digest", "measured")  # the digest itself, and what a clock had a part in


class EvidenceUnreadable(Exception):
    """evidence.json is missing, damaged, or of another kind or version: names the file and what to do."""


def digest_of_content(told: dict[str, Any]) -> str:
    """SHA-256 of the part that repeats to the byte."""
    return digest_of({key: value for key, value in told.items() if key not in _OUTSIDE_DIGEST})


def write_json(told: dict[str, Any], folder: Path) -> Path:
    path = folder / EVIDENCE_FILE
    path.write_text(json.dumps(told, indent=1, sort_keys=True))
    return path


def read_json(folder: Path, *, again: str) -> dict[str, Any]:
    """The file's values, those under its digest as they were written. `again` is the command that makes it anew.

    Raises EvidenceUnreadable.
    """
    path = folder / EVIDENCE_FILE
    try:
        told = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise EvidenceUnreadable(f"{path}: there is no such file. Run {again} again.") from error
    except ValueError as error:
        raise EvidenceUnreadable(
            f"{path}: not readable JSON ({error}). Remove the folder and run {again} again."
        ) from error
    if not isinstance(told, dict) or "digest" not in told:
        raise EvidenceUnreadable(f"{path}: states no digest, so it is no evidence. Run {again} again.")
    if (found := digest_of_content(told)) != told["digest"]:
        raise EvidenceUnreadable(
            f"{path}: the figures have the digest {found[:12]}…, and {str(told['digest'])[:12]}… was published. "
            f"Remove the folder and run {again} again."
        )
    return told


def typed(kind: Any, told: dict[str, Any], folder: Path, *, again: str) -> Any:
    """`told` as the `kind` that was written. Raises EvidenceUnreadable."""
    try:
        return from_json(kind, told)
    except MismatchedJson as error:
        raise EvidenceUnreadable(
            f"{folder / EVIDENCE_FILE}: not what this version of recloop writes ({error}). Run {again} again."
        ) from error
