"""The file itself: sorted, digested, and refused where a byte that counts has changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.evaluation.evidence_file import (
    EvidenceUnreadable,
    digest_of_content,
    read_json,
    typed,
    write_json,
)

CONTENT = {"b": 1, "a": [0.5, None]}


def told(**more: object) -> dict[str, object]:
    return {**CONTENT, "digest": digest_of_content(CONTENT), "measured": {"ms": 3.0}, **more}


def test_what_is_written_is_read(tmp_path: Path):
    assert list(json.loads(write_json(told(), tmp_path).read_text())) == ["a", "b", "digest", "measured"]
    assert read_json(tmp_path, again="it") == told()


def test_what_a_clock_measured_may_differ_and_nothing_else(tmp_path: Path):
    write_json(told(measured={"ms": 9.0}), tmp_path)
    read_json(tmp_path, again="it")
    write_json(told(b=2), tmp_path)
    with pytest.raises(EvidenceUnreadable, match="Remove the folder and run it again"):
        read_json(tmp_path, again="it")


def test_another_type_names_file_and_place(tmp_path: Path):
    with pytest.raises(EvidenceUnreadable, match=r"evidence.json: .*'1' is not str"):
        typed(dict[str, str] | str, 1, tmp_path, again="it")
