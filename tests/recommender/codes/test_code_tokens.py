import torch

from components.recommender.codes.code_tokens import PADDING, CodeTokens

TOKENS = CodeTokens((3, 2))


def test_every_level_has_a_range_of_its_own():
    """Padding 0, then codes 0 1 2 of the first level as 1 2 3, codes 0 1 of the second as 4 5."""
    assert (TOKENS.first, TOKENS.vocabulary, TOKENS.num_levels) == ([1, 4], 6, 2)
    assert TOKENS.of_codes(torch.tensor([[0, 0], [2, 1]])).tolist() == [[1, 4], [3, 5]]


def test_histories_are_flattened_and_padded():
    item_tokens = TOKENS.of_codes(torch.tensor([[0, 0], [2, 1]]))
    items, length = torch.tensor([[1, 0], [0, 0]]), torch.tensor([2, 1])
    assert TOKENS.of_histories(item_tokens, items, length).tolist() == [
        [3, 5, 1, 4],
        [1, 4, PADDING, PADDING],
    ]


def test_histories_without_any_item_are_one_padding_token():
    nothing = torch.zeros(2, 0, dtype=torch.long)
    assert (
        TOKENS.of_histories(torch.ones(1, 2).long(), nothing, torch.zeros(2).long()).tolist()
        == [[PADDING]] * 2
    )
