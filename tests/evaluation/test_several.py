"""Several challengers on one window: Holm's step-down, the chance of a false promotion, and which one goes on."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from scipy import special
from statsmodels.stats.multitest import multipletests

from components.evaluation.alpha_spending import Attempt
from components.evaluation.evidence import read_evidence, write_evidence
from components.evaluation.several import OneOfSeveral, best_of, stands, step_down
from components.evaluation.verdict import Outcome
from tests.evaluation.judging import judge


def levels(p: dict[str, float], alpha: float) -> tuple[dict[str, float], list[tuple[str, float]]]:
    """Challenger → the alpha that it was judged at last, where it passes at `p` or more; and every judging."""
    asked: list[tuple[str, float]] = []

    def judged_at(name: str, level: float) -> tuple[str, float]:
        asked.append((name, level))
        return asked[-1]

    judged = step_down(list(p), alpha, judged_at, lambda one: p[one[0]] <= one[1])
    return {name: level for name, (_, level) in judged.items()}, asked


def test_worked_example():
    """Of .06, three get .02 each. One passes at .01, so two get .03: .025 passes now. One gets .06: .07 does not."""
    found, asked = levels({"a": 0.07, "b": 0.01, "c": 0.025}, 0.06)
    assert found == pytest.approx({"a": 0.06, "b": 0.02, "c": 0.03})
    assert [name for name, _ in asked] == ["a", "b", "c", "a", "c", "a"]


def test_one_alone_is_judged_once_at_the_whole_alpha():
    assert levels({"a": 0.5}, 0.0171) == ({"a": 0.0171}, [("a", 0.0171)])
    assert levels({}, 0.0171) == ({}, [])


def test_it_is_holms_procedure(monkeypatch: pytest.MonkeyPatch):
    """Against statsmodels' p-values adjusted by Holm, away from the exact boundary."""
    # statsmodels collects garbage at each call: a second in a large process
    monkeypatch.setattr(gc, "collect", lambda: 0)
    generator = np.random.default_rng(8)
    for _ in range(500):
        alpha = generator.uniform(0.001, 0.4)
        p = generator.random(generator.integers(1, 9)) ** generator.integers(1, 4)  # some of them small
        named = {str(n): float(value) for n, value in enumerate(p)}
        found, _ = levels(named, alpha)
        adjusted = multipletests(p, method="holm")[1]
        for (name, value), corrected in zip(named.items(), adjusted, strict=True):
            if abs(corrected - alpha) > 1e-9:
                assert (value <= found[name]) == (corrected <= alpha)


@pytest.mark.parametrize("correlation", [0.0, 0.8])
@pytest.mark.parametrize("num_better", [0, 2])
def test_a_worthless_challenger_is_rarely_promoted(correlation: float, num_better: int):
    """4,000 worlds of four challengers, of whom some are truly better by 4 standard errors, the others by nothing.

    What is judged at the full alpha of .1 each promotes a worthless one in up to 1 - .9^4 = 34 % of the worlds; by
    step-down at most 10 % may, whose binomial bound at 4,000 is .1 + 3 sqrt(.1 .9 / 4,000) = .114. The champion that
    all are compared with is common, so their figures depend on one another.
    """
    worlds, count, alpha = 4_000, 4, 0.1
    generator = np.random.default_rng(4)
    common = generator.normal(size=(worlds, 1))
    own = generator.normal(size=(worlds, count))
    z = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
    z[:, :num_better] += 4
    p = special.ndtr(-z)
    names = [str(n) for n in range(count)]
    by_holm = np.zeros((worlds, count), dtype=bool)
    for world, values in enumerate(p):
        found, _ = levels(dict(zip(names, values, strict=True)), alpha)
        by_holm[world] = [values[n] <= found[name] for n, name in enumerate(names)]
    worthless, each = (
        by_holm[:, num_better:].any(axis=1).mean(),
        (p[:, num_better:] <= alpha).any(axis=1).mean(),
    )
    assert worthless <= 0.114 < each
    assert by_holm[:, :num_better].all() or by_holm[:, :num_better].mean() > 0.95
    if num_better:  # alpha is passed on: Bonferroni's alpha / 4 would leave the others half of it
        assert worthless > (p[:, num_better:] <= alpha / count).any(axis=1).mean()


def one(challenger: str, outcome: str, delta: float | None, **more: Any) -> OneOfSeveral:
    given = {"reason": "r", "against": "champion", "lower": delta, "upper": delta, "alpha_one_sided": 0.01}
    return OneOfSeveral(challenger=challenger, outcome=Outcome(outcome), delta=delta, **(given | more))


@pytest.mark.parametrize(
    ("judged", "best"),
    [
        ([("a", "HOLD", 0.03), ("b", "PROMOTE", 0.01), ("c", "PROMOTE", 0.02)], "c"),
        ([("a", "HOLD", 0.01), ("b", "REJECT", 0.05), ("c", "HOLD", 0.02), ("d", "INVALID", 0.9)], "c"),
        ([("a", "INVALID", None), ("b", "REJECT", -0.02)], "b"),
        ([("a", "HOLD", 0.01), ("b", "HOLD", 0.01)], "a"),
    ],
    ids=("of those that pass", "of none that passes", "not measured", "equals"),
)
def test_which_goes_on(judged: list[tuple[str, str, float | None]], best: str):
    assert best_of([one(*each) for each in judged]).challenger == best


def test_the_champions_own_artifact_goes_on_before_nobody():
    own = one("own", "HOLD", 0.0, alpha_one_sided=None)
    assert best_of([own, one("tried", "REJECT", -0.02)]).challenger == "tried"
    assert best_of([own]).challenger == "own"


def test_judged_together_the_bounds_are_wider_and_the_reason_says_so(world, tmp_path):
    """Among two, half the alpha: the same difference. What is published of it is read as it was written."""
    alone, both = (
        judge(*world, "better", "good", attempt=Attempt(number=1, alpha_one_sided=alpha, together=count))
        for alpha, count in ((0.0171, 1), (0.00855, 2))
    )
    first, second = stands(alone.evidence), stands(both.evidence)
    assert first.delta == second.delta
    assert first.lower is not None
    assert second.lower is not None
    assert second.lower < first.lower
    assert second.alpha_one_sided == 0.00855
    assert both.reasons[-1] == (
        "attempt 1 on this window, of 2 challengers together, has its share of 0.025 among 5 challengers; this one is "
        "judged at alpha 0.00855 by Holm"
    )
    write_evidence(both, tmp_path)
    assert read_evidence(tmp_path).attempt == Attempt(number=1, alpha_one_sided=0.00855, together=2)


def test_of_one_challenger_alone_nothing_new_is_published(world):
    told = judge(*world, "better", "good", attempt=Attempt(number=1, alpha_one_sided=0.0171)).to_dict()
    assert told["attempt"] == {"number": 1, "alpha_one_sided": 0.0171}


def test_an_attempt_without_alpha_left_is_invalid_for_all(world):
    spent = judge(*world, "better", "good", attempt=Attempt(number=6, alpha_one_sided=0.0, together=2))
    assert spent.outcome is Outcome.INVALID
    assert "attempt 6 on this window, of 2 challengers together, comes too late" in spent.reasons[0]
