import torch

from components.recommender.networks.history_sum import HistorySum

TIMES = torch.zeros(1, 3, dtype=torch.long)
VECTORS = torch.tensor([[[3.0, 0.0], [0.0, 4.0], [1.0, 1.0]]])


def summed(fading: float, start: tuple[float, float]) -> torch.Tensor:
    history = HistorySum(2, fading)
    with torch.no_grad():
        history.start.copy_(torch.tensor(start))
        return history(VECTORS, TIMES)[0]


def directions(*rows: tuple[float, float]) -> torch.Tensor:
    """[P, 2], each of length sqrt(2)."""
    found = torch.tensor(rows)
    return found / found.norm(dim=1, keepdim=True) * 2**0.5


def test_worked_example():
    """A start of (1, 0); then (3, 0); (3, 4) over √2; (4, 5) over √3."""
    root2, root3 = 2**0.5, 3**0.5
    wanted = directions((1, 0), (1 + 3, 0), (1 + 3 / root2, 4 / root2), (1 + 4 / root3, 5 / root3))
    torch.testing.assert_close(summed(1.0, (1.0, 0.0)), wanted)


def test_older_events_fade():
    """By a half: (3, 0) counts 1/2 beside (0, 4), and 1/4 beside (1, 1); what they count together is 1.5 and 1.75."""
    root2, root3 = 1.5**0.5, 1.75**0.5
    wanted = directions(
        (1, 0),
        (1 + 3, 0),
        (1 + 1.5 / root2, 4 / root2),
        (1 + (0.75 + 1) / root3, (2 + 1) / root3),
    )
    torch.testing.assert_close(summed(0.5, (1.0, 0.0)), wanted)


def test_a_state_reads_nothing_after_it():
    history = HistorySum(2, 0.8)
    later = VECTORS.clone()
    later[:, 2:] += 5
    with torch.inference_mode():
        torch.testing.assert_close(history(later, TIMES)[:, :3], history(VECTORS, TIMES)[:, :3])
        assert history(VECTORS[:, :0], TIMES[:, :0]).shape == (1, 1, 2)


def test_a_state_has_the_length_that_is_asked():
    plain, short = HistorySum(2, 0.8), HistorySum(2, 0.8, 0.25)
    short.load_state_dict(plain.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(short(VECTORS, TIMES), plain(VECTORS, TIMES) * 0.25 / 2**0.5)
