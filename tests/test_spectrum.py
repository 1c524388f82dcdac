"""Both solvers beside a dense SVD, and the sign that every direction is given."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import svds

from components.spectrum import SPARE_DIRECTIONS, lanczos_spectrum, oriented, subspace_spectrum


def falling_matrix(users: int, items: int, seed: int) -> np.ndarray:
    """Singular values 1, 1/2, 1/4, …: well apart, so that directions are what they are."""
    rng = np.random.default_rng(seed)
    rank = min(users, items)
    left, right = (np.linalg.qr(rng.standard_normal((size, rank)))[0] for size in (users, items))
    return (left * 0.5 ** np.arange(rank)) @ right.T


@settings(max_examples=20, deadline=None)
@given(users=st.integers(8, 30), items=st.integers(8, 30), rank=st.integers(1, 6), seed=st.integers(0, 99))
def test_lanczos_finds_what_a_dense_svd_finds(users, items, rank, seed):
    matrix = falling_matrix(users, items, seed)
    start = np.random.default_rng(seed).standard_normal(min(users, items))
    found = lanczos_spectrum(sp.csr_matrix(matrix), rank, start)
    _, strength, directions = np.linalg.svd(matrix, full_matrices=False)
    np.testing.assert_allclose(found.strength, strength[:rank], rtol=1e-6)
    wanted = oriented(torch.from_numpy(directions[:rank].T.copy()))
    np.testing.assert_allclose(oriented(found.directions), wanted, atol=1e-5)


@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (50, 50)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lanczos_gives_the_digits_of_svds(shape: tuple[int, int], dtype: type):
    """What was trained from this start is pinned on them."""
    rng = np.random.default_rng(1)
    matrix = sp.csr_matrix(((rng.random(shape) < 0.2) * rng.random(shape)).astype(dtype))
    start = rng.standard_normal(min(shape))
    found = lanczos_spectrum(matrix, 8, start)
    _, strength, directions = svds(matrix, k=8, v0=start)
    order = np.argsort(-strength)
    assert found.strength.numpy().tobytes() == strength[order].tobytes()
    assert found.directions.numpy().T.tobytes() == directions[order].tobytes()


def test_lanczos_repeats_itself_where_most_directions_are_not_there():
    """Two worlds of users who are all alike: two singular values, of twelve asked for. svds gives others each time."""
    matrix = sp.csr_matrix(np.kron(np.eye(2), np.ones((20, 15))))
    start = np.random.default_rng(0).standard_normal(30)
    first, again = (lanczos_spectrum(matrix, 12, start) for _ in range(2))
    assert first.directions.numpy().tobytes() == again.directions.numpy().tobytes()
    assert first.strength.numpy().tobytes() == again.strength.numpy().tobytes()
    np.testing.assert_allclose(first.strength[:3], [300**0.5, 300**0.5, 0], atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(users=st.integers(20, 40), items=st.integers(20, 40), rank=st.integers(1, 6), seed=st.integers(0, 99))
def test_subspace_iteration_finds_what_is_left_beside_a_direction(users, items, rank, seed):
    """The strongest direction is projected out: the others follow, as of the matrix without it."""
    matrix = torch.from_numpy(falling_matrix(users, items, seed))
    first = torch.linalg.svd(matrix).Vh[:1].T
    start = torch.randn(
        items, rank + SPARE_DIRECTIONS, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    found = subspace_spectrum(
        lambda x: matrix @ x, lambda x: matrix.T @ x, rank, start, without=lambda x: x - first @ (first.T @ x)
    )
    _, strength, directions = torch.linalg.svd(matrix - matrix @ first @ first.T, full_matrices=False)
    torch.testing.assert_close(found.strength, strength[:rank], rtol=1e-6, atol=0)
    torch.testing.assert_close(oriented(found.directions), oriented(directions[:rank].T), atol=1e-5, rtol=0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_largest_entry_is_positive_and_the_first_of_equals_decides(sign):
    columns = sign * torch.tensor([[0.5, -0.7], [-0.5, 0.2]])
    assert oriented(columns).tolist() == [[0.5, pytest.approx(0.7)], [-0.5, pytest.approx(-0.2)]]
