"""Published evidence: read and written again to the same bytes, and refused where it is not what was published."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.evaluation.alpha_spending import Attempt
from components.evaluation.evidence import EvidenceUnreadable, read_evidence, write_evidence
from components.evaluation.profile import Sequential
from components.evaluation.replay import ReplayResult
from tests.evaluation.judging import PROFILE, judge, planted
from tests.evaluation.worlds import plan_of

RATES = {"good": 0.6, "better": 0.75, "bad": 0.2, "popularity": 0.3, "recent_popularity": 0.3}
ALWAYS = replace(PROFILE, sequential=Sequential(enabled=True, n_min=100))
KINDS = {
    "champion": lambda: judge(*planted(RATES), "better", "good"),
    "no champion": lambda: judge(*planted(RATES), "better", None),
    "refit": lambda: judge(*planted(RATES), "bad", "good", compared="refit at the cut"),
    "sequential": lambda: judge(*planted(RATES), "better", "good", profile=ALWAYS),
    "attempt": lambda: judge(
        *planted(RATES), "better", "good", attempt=Attempt(number=2, alpha_one_sided=0.004)
    ),
    "a share for new items": lambda: judge(*planted(RATES | {"without_share": 0.7}), "better", "good"),
    "not measured": lambda: judge(*planted(RATES), "better", "good", latency=None),
    "nobody returns": lambda: judge(
        plan_of([("a", "x", 5)]),
        {arm: np.zeros((0, 50), dtype=int) for arm in ("new", "popularity")},
        "new",
        None,
    ),
}


@pytest.fixture(scope="module")
def result() -> ReplayResult:
    return KINDS["champion"]()


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_what_is_read_is_written_to_the_same_bytes(tmp_path: Path, make: Callable[[], ReplayResult]):
    found = make()
    written = write_evidence(found, tmp_path).read_bytes()
    assert json.loads(written) == found.to_dict()
    evidence = read_evidence(tmp_path)
    (tmp_path / "again").mkdir()
    assert write_evidence(evidence, tmp_path / "again").read_bytes() == written


def test_the_file_is_sorted_json_of_every_field(tmp_path: Path, result: ReplayResult):
    """The bytes are part of the published folder's digest: another layout would be another artifact."""
    text = write_evidence(result, tmp_path).read_text()
    assert text == json.dumps(result.to_dict(), indent=1, sort_keys=True)
    assert text.startswith('{\n "adjusted_p": {')


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: text[:-20], "not readable JSON"),
        (lambda text: text.replace('"alpha_one_sided": 0.025', '"alpha_one_sided": 0.5', 1), "was published"),
        (lambda text: "[]", "states no digest"),
        (lambda text: "{}", "states no digest"),
    ],
    ids=["cut off", "changed by hand", "a list", "an empty object"],
)
def test_a_damaged_file_names_itself_and_the_way_out(tmp_path: Path, result: ReplayResult, damage, told: str):
    path = write_evidence(result, tmp_path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(EvidenceUnreadable, match=told) as refused:
        read_evidence(tmp_path)
    assert str(path) in str(refused.value)
    assert "recloop retrain or recloop replay again" in str(refused.value)


def test_evidence_of_another_kind_or_version_says_where_it_differs(tmp_path: Path, result: ReplayResult):
    evidence = result.evidence
    foreign = replace(evidence, compared="by hand")  # type: ignore[arg-type]
    write_evidence(replace(foreign, digest=foreign.digest_of_content()), tmp_path)
    with pytest.raises(EvidenceUnreadable, match=r"\.compared: 'by hand' is not one of"):
        read_evidence(tmp_path)


def test_a_folder_without_evidence(tmp_path: Path):
    with pytest.raises(EvidenceUnreadable, match="there is no such file"):
        read_evidence(tmp_path)
