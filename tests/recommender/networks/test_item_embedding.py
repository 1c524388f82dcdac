import numpy as np
import torch

from components.recommender.networks.item_embedding import ItemEmbedding, grown_free_vectors
from tests.recommender.examples import tuples


def test_codes_and_rest_add_up_to_the_start():
    """A code begins at the mean of its items, the free vector at what is left; a cold item is its codes alone."""
    codes = torch.from_numpy(tuples(20, width=3, seed=0))
    wanted = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    wanted[7] = 0
    items = ItemEmbedding(codes, [3, 3, int(codes[:, 2].max()) + 1], 4)
    items.begin_at(wanted)
    vectors = items()
    others = torch.arange(20) != 7
    torch.testing.assert_close(vectors[others], wanted[others])
    assert items.free is not None
    assert (items.free[7] == 0).all()
    first = codes[others, 0] == codes[7, 0]
    torch.testing.assert_close(items.code_vectors()[0][codes[7, 0]], wanted[others][first].mean(dim=0))


def test_a_vector_is_the_sum_of_its_codes_and_its_own():
    """Two levels of two codes: item (1, 0) is row 1 plus row 2 of the tables, plus its free vector."""
    items = ItemEmbedding(torch.tensor([[1, 0], [0, 1]]), [2, 2], 3)
    with torch.no_grad():
        items.free[0] = 5.0
    torch.testing.assert_close(items()[0], items.tables[1] + items.tables[2] + 5)
    bare = ItemEmbedding(torch.tensor([[1, 0]]), [2, 2], 3, free=False)
    torch.testing.assert_close(bare()[0], bare.tables[1] + bare.tables[2])


def test_free_dropout_leaves_some_items_to_their_codes_while_training():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        items = ItemEmbedding(torch.zeros(400, 1, dtype=torch.long), [1], 2, free_dropout=0.25)
        with torch.no_grad():
            items.free.fill_(9.0)
        kept = (items()[:, 0] - items.tables[0, 0]) > 1
    assert 0.65 < kept.float().mean() < 0.85
    assert ((items.eval()()[:, 0] - items.tables[0, 0]) > 1).all()


def test_new_rows_are_zero_and_old_ones_move_along():
    weights = {"free": torch.tensor([[1.0], [2.0]]), "other": torch.ones(1)}
    grown = grown_free_vectors(weights, "free", np.array([0, -1, 1]))
    assert grown["free"].tolist() == [[1.0], [0.0], [2.0]]
    assert grown_free_vectors(weights, "none", np.array([0, -1, 1])) is weights
