"""gBCE: the formula by hand, and what probabilities its scores end in."""

import math

import pytest
import torch

from components.recommender.networks.generalized_bce import gbce_loss_against


def test_worked_example():
    """Scores 0 of the target, 0 and ln 3 of two negatives out of 5 items; the third negative is the target's own.

    alpha = 3/4, t = .5: beta = 1 - .5/4 = .875. (.875 ln 2 + ln 2 + ln 4) / 4 = 3.875 ln 2 / 4.
    """
    loss = gbce_loss_against(
        torch.ones(1, 1),
        torch.zeros(1, 1),
        torch.tensor([[0.0], [math.log(3)], [7.0]]),
        torch.tensor([[False, False, True]]),
        None,
        num_items=5,
        calibration=0.5,
    )
    assert loss.item() == pytest.approx(3.875 * math.log(2) / 4)


@pytest.mark.parametrize("calibration", [0.0, 0.75, 1.0])
def test_scores_end_in_the_probabilities_that_the_source_derives(calibration):
    """40 items of which three follow, with .5, .3 and .2; 8 negatives a step: beta p / (beta p + alpha (1 - p))."""
    draw = torch.Generator().manual_seed(0)
    wanted = torch.tensor([0.5, 0.3, 0.2])
    vectors = torch.zeros(40, 1, requires_grad=True)
    adam = torch.optim.Adam([vectors], lr=0.05)
    for step in range(1500):
        targets = torch.multinomial(wanted, 256, replacement=True, generator=draw)
        drawn = torch.randint(40, (8,), generator=draw)
        loss = gbce_loss_against(
            torch.ones(256, 1),
            vectors[targets],
            vectors[drawn],
            drawn == targets[:, None],
            None,
            num_items=40,
            calibration=calibration,
        )
        adam.param_groups[0]["lr"] = 0.05 * (1 - step / 1500)
        adam.zero_grad()
        loss.backward()
        adam.step()
    alpha = 8 / 39
    beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
    found = torch.sigmoid(vectors[:3, 0]).detach()
    torch.testing.assert_close(
        found, beta * wanted / (beta * wanted + alpha * (1 - wanted)), atol=0.05, rtol=0
    )
    assert torch.sigmoid(vectors[3:]).max() < 0.05
