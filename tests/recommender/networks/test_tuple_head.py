import torch

from components.recommender.networks.tuple_head import TupleHead


def head() -> TupleHead:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = TupleHead([3, 4], 5, 6, 0.0).eval()
        with torch.no_grad():
            for weight in made.parameters():
                weight.normal_(0, 1)
    return made


STATES = torch.randn(2, 5, generator=torch.Generator().manual_seed(1))


def test_a_score_by_hand():
    """Level 1 after code 2: direct part, plus the MLP over gelu(A state + B[2])."""
    made = head()
    with torch.inference_mode():
        hidden = made.state(STATES, 1) + made.prefix(torch.tensor([[2], [2]]), 1)
        found = made.logits(hidden, 1) + made.direct(STATES, 1)
        inner = torch.nn.functional.gelu(made.from_state[1](STATES) + made.from_prefix[1][2])
        wanted = inner @ made.to_codes[1].weight.T + made.to_codes[1].bias
        torch.testing.assert_close(found, wanted + STATES @ made.to_codes_directly[1].weight.T)


def test_some_codes_score_as_among_all():
    """One set of codes a row, and one set for every row."""
    made = head()
    hidden = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(2))
    own, shared = (
        torch.randint(4, (2, 3, 2), generator=torch.Generator().manual_seed(3)),
        torch.tensor([[3, 1]] * 3),
    )
    with torch.inference_mode():
        everything = made.logits(hidden, 1)
        torch.testing.assert_close(made.logits_of(hidden, own, 1), everything.gather(-1, own))
        torch.testing.assert_close(
            made.logits_of(hidden, shared, 1), everything.gather(-1, shared.expand(2, 3, 2))
        )


def test_a_new_head_says_what_its_codes_begin_at():
    made = TupleHead([3, 4], 5, 6, 0.0).eval()
    vectors = [torch.randn(3, 5), torch.randn(4, 5)]
    made.begin_at(vectors)
    with torch.inference_mode():
        hidden = made.state(STATES, 1) + made.prefix(torch.tensor([[0], [1]]), 1)
        assert (made.logits(hidden, 1) == made.to_codes[1].bias).all()  # the MLP begins at nothing
        torch.testing.assert_close(made.direct(STATES, 1), STATES @ vectors[1].T)
