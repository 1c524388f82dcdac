"""A verdict that is asked for again: another challenger, another look, a champion that had to be refitted."""

from __future__ import annotations

from components.evaluation.alpha_spending import Attempt
from tests.evaluation.judging import PROFILE, judge


def test_a_refit_champion_is_told_of(world):
    kinds = ("registry artifact", "refit at the cut")
    told = [judge(*world, "better", "good", compared=kind) for kind in kinds]
    assert [result.compared for result in told] == list(kinds)
    assert "its recipe was compared" not in " ".join(told[0].reasons)
    assert "its recipe was compared, refitted at the cut" in told[1].reasons[-1]


def test_a_later_challenger_of_a_window_is_judged_at_its_share(world):
    """Wider intervals, the same differences, and resamples enough for the thinner tail."""
    first, fifth = (
        judge(
            *world,
            "better",
            "good",
            attempt=Attempt(number=number, alpha_one_sided=PROFILE.alpha_shares[number - 1]),
        )
        for number in (1, 5)
    )
    wide, wider = (next(c for c in r.comparisons if c.metric == "ndcg@10") for r in (first, fifth))
    assert wide.delta == wider.delta
    assert wider.lower < wide.lower < wide.upper < wider.upper
    assert wider.mde > wide.mde
    assert fifth.alpha_one_sided == PROFILE.alpha_shares[4]
    assert first.digest != fifth.digest
    assert "challenger 5 on this window" in fifth.reasons[-1]


def test_the_rehearsal_is_reported_and_weaker(many):
    """Users dealt by hash; the paired contrast of all of them sees less than half the difference it would."""
    found = judge(*many, "better", "good").rehearsal
    assert found is not None
    assert sum(found.counts) == 700
    assert found.is_valid
    assert found.paired_mde < found.unpaired_mde
    again = judge(*many, "again", "good").rehearsal
    assert again is not None
    assert again.salt != found.salt  # another experiment deals anew
