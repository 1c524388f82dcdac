"""The search is tried on a head whose likelihoods are written by hand, and against scoring everything."""

from unittest import mock

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.codes.trie import build_trie
from components.recommender.decoding import beam
from components.recommender.decoding.beam import beam_search
from components.recommender.decoding.usable_leaves import usable_leaves
from components.recommender.networks.tuple_head import TupleHead
from components.recommender.networks.tuple_scores import tuple_log_probs
from tests.recommender.examples import tuples


def random_head(codes: np.ndarray, seed: int) -> TupleHead:
    """Untrained, with weights large enough for likelihoods that differ by much."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = TupleHead([int(size) for size in codes.max(axis=0) + 1], 8, 8, 0.0).eval()
        with torch.no_grad():
            for weight in head.parameters():
                weight.normal_(0, 1)
    return head


def random_states(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))


def head_with(first: list[float], second: list[float]) -> TupleHead:
    """A head of two levels that scores codes by these logits, whatever the state and the prefix."""
    head = TupleHead([len(first), len(second)], 1, 1, 0.0).eval()
    with torch.no_grad():
        for weight in head.parameters():
            weight.zero_()
        head.to_codes[0].bias.copy_(torch.tensor(first))
        head.to_codes[1].bias.copy_(torch.tensor(second))
    return head


def pairs(allowed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(user, leaf) of every leaf that is not allowed."""
    row, leaf = torch.nonzero(~allowed, as_tuple=True)
    return row, leaf


def test_worked_example():
    """P(first code): 0 has 3/4, 1 has 1/4. Under 0 codes 0 and 1 are items, 1/2 each; under 1 only code 1.

    So (0,0) and (0,1) have 3/8 each and (1,1), an only child, 1/4. Of one beam the greedy prefix 0 remains.
    """
    trie = build_trie(np.array([[0, 0], [0, 1], [1, 1]]))
    head = head_with([np.log(3.0), 0.0], [0.0, 0.0])
    everything = usable_leaves(trie, torch.ones(3, dtype=torch.bool))
    nothing = pairs(torch.ones(1, 3, dtype=torch.bool))
    leaf, score = beam_search(head, trie, torch.zeros(1, 1), width=3, usable=everything, excluded=nothing)
    assert sorted(leaf[0].tolist()) == [0, 1, 2]
    torch.testing.assert_close(score.exp(), torch.tensor([[3 / 8, 3 / 8, 1 / 4]]))

    seen = pairs(torch.tensor([[False, False, True]]))  # the whole prefix 0: even one beam finds (1,1)
    leaf, score = beam_search(head, trie, torch.zeros(1, 1), width=1, usable=everything, excluded=seen)
    assert leaf.tolist() == [[2]]
    torch.testing.assert_close(score.exp(), torch.tensor([[1 / 4]]))


@settings(max_examples=80, deadline=None)
@given(
    count=st.integers(1, 60),
    width=st.integers(1, 6),
    beams=st.integers(1, 70),
    first=st.none() | st.integers(1, 70),
    is_padded=st.booleans(),
    seed=st.integers(0, 999),
)
def test_beams_hold_live_leaves_once_with_their_exact_score(count, width, beams, first, is_padded, seed):
    """At full width the search is exact, however children are laid out: same leaves, same scores, best first."""
    codes = tuples(count, width=width, seed=seed)
    head, trie, states = random_head(codes, seed), build_trie(codes), random_states(5, seed)
    chance = torch.rand(6, count, generator=torch.Generator().manual_seed(seed))
    usable, allowed = chance[0] < 0.8, chance[1:] < 0.6
    live = allowed & usable
    laid_out = mock.patch.object(beam, "PADDED_UP_TO", float("inf") if is_padded else 0.0)
    with torch.inference_mode(), laid_out:
        exact = tuple_log_probs(head, trie, states).masked_fill(~live, -torch.inf)
        leaf, score = beam_search(
            head,
            trie,
            states,
            width=beams,
            first_width=first,
            usable=usable_leaves(trie, usable),
            excluded=pairs(allowed),
        )
    first = beams if first is None else first
    for row in range(5):
        found = leaf[row][leaf[row] >= 0]
        assert len(found) == len(set(found.tolist()))
        assert len(found) >= min(beams, first, int(live[row].sum()))
        assert live[row][found].all()
        torch.testing.assert_close(score[row][: len(found)], exact[row][found], atol=1e-4, rtol=1e-4)
        if min(beams, first) >= count:
            best = exact[row].sort(descending=True).values[: len(found)]
            torch.testing.assert_close(score[row][: len(found)], best, atol=1e-4, rtol=1e-4)


def test_many_items_of_whom_some_are_barred():
    """3,000 items, a third usable, twenty more seen by each user: beams as wide as the trie find the exact list."""
    codes = tuples(3_000, width=12, levels=2, seed=1)
    head, trie, states = random_head(codes, 1), build_trie(codes), random_states(3, 1)
    random = torch.Generator().manual_seed(1)
    usable = torch.rand(3_000, generator=random) < 0.33
    allowed = torch.ones(3, 3_000, dtype=torch.bool)
    for row in allowed:
        row[torch.randperm(3_000, generator=random)[:20]] = False
    with torch.inference_mode():
        exact = tuple_log_probs(head, trie, states).masked_fill(~(allowed & usable), -torch.inf)
        leaf, score = beam_search(
            head, trie, states, width=3_000, usable=usable_leaves(trie, usable), excluded=pairs(allowed)
        )
    best, place = exact.topk(200, dim=1)
    torch.testing.assert_close(score[:, :200], best, atol=1e-4, rtol=1e-4)
    assert (leaf[:, :200] == place).float().mean() > 0.95  # neighbours within rounding may change places
