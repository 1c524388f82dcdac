import math

import torch

from components.recommender.networks.relative_position import position_bucket


def test_buckets_by_hand():
    """Eight buckets up to distance 16. Causal: 0 to 3 alone, then 4 + floor(log4(n / 4) * 4), at most 7.

    Both sides: four buckets each, 0 and 1 alone, then 2 + floor(log8(n / 2) * 2), at most 3; ahead adds 4.
    """
    distance = torch.tensor([5, 0, -1, -3, -4, -7, -8, -15, -16, -99])
    causal = position_bucket(distance, 8, 16, is_causal=True).tolist()
    assert causal == [0, 0, 1, 3, 4, 4 + math.floor(math.log(7 / 4, 4) * 4), 6, 7, 7, 7]
    both = position_bucket(torch.tensor([-6, -5, -1, 0, 1, 2, 6, 50]), 8, 16, is_causal=False).tolist()
    assert both == [3, 2, 1, 0, 5, 6, 7, 7]
