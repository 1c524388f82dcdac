"""Published evidence of a judged log: the result itself comes back, and writes the same bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.evaluation.counterfactual.evaluation import LoggedResult, evaluate_logged
from components.evaluation.counterfactual.evidence import EvidenceUnreadable, read_evidence, write_evidence
from components.evaluation.counterfactual.logged import LoggedFeedback, feedback_from_rows
from components.evaluation.counterfactual.profile import small
from tests.evaluation.counterfactual.test_slate_evaluation import slate_log
from tests.evaluation.counterfactual.worlds import draw_log, make_world

PROFILE = replace(small(), resamples=2_000)


def judged(log: LoggedFeedback) -> LoggedResult:
    return evaluate_logged(log, PROFILE, logging_policy="old", target_policy="new")


def drawn(*, knows_policy: bool) -> LoggedFeedback:
    return draw_log(make_world(), 2_000, np.random.default_rng(0), knows_policy=knows_policy)


def without_weight() -> LoggedFeedback:
    log = drawn(knows_policy=False)
    return replace(log, target=np.zeros(len(log)))


LOGS = {
    "policy known": lambda: drawn(knows_policy=True),
    "policy unknown": lambda: drawn(knows_policy=False),
    "slates": lambda: feedback_from_rows(slate_log(4_000)),
    "no weight at all": without_weight,
}


@pytest.mark.parametrize("make", LOGS.values(), ids=LOGS)
def test_what_is_read_is_written_to_the_same_bytes(tmp_path: Path, make):
    found = judged(make())
    written = write_evidence(found, tmp_path).read_bytes()
    assert written == json.dumps(found.to_dict(), indent=1, sort_keys=True).encode()
    evidence = read_evidence(tmp_path)
    assert (evidence.digest, evidence.verdict) == (found.digest, found.verdict)
    (tmp_path / "again").mkdir()
    assert write_evidence(evidence, tmp_path / "again").read_bytes() == written


def test_the_estimate_that_decides_is_the_profiles():
    found = judged(drawn(knows_policy=True))
    assert found.deciding.name == "snips"


def test_a_changed_figure_is_refused(tmp_path: Path):
    path = write_evidence(judged(drawn(knows_policy=True)), tmp_path)
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"logged_mean": 0.9}))
    with pytest.raises(EvidenceUnreadable, match="recloop replay --logged again") as refused:
        read_evidence(tmp_path)
    assert str(path) in str(refused.value)
