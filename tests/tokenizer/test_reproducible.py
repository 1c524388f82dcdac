"""Inside: one thread, full precision, seeded. Outside: as it was, even after an error."""

from __future__ import annotations

import pytest
import torch

from components.tokenizer.reproducible import reproducible


def _settings() -> tuple[int, str]:
    return torch.get_num_threads(), torch.get_float32_matmul_precision()


@pytest.fixture
def _two_threads_at_medium():
    before = _settings()
    torch.set_num_threads(2)
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_num_threads(before[0])
    torch.set_float32_matmul_precision(before[1])


@pytest.mark.usefixtures("_two_threads_at_medium")
def test_settings_hold_inside_and_come_back():
    state = torch.get_rng_state()
    with reproducible(1):
        assert _settings() == (1, "highest")
        torch.rand(3)
    assert _settings() == (2, "medium")
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.usefixtures("_two_threads_at_medium")
def test_settings_come_back_after_an_error():
    with pytest.raises(ZeroDivisionError), reproducible():
        _ = 1 / 0
    assert _settings() == (2, "medium")


def test_the_seed_alone_decides_both_streams():
    drawn = []
    for seed in (1, 1, 2):
        with reproducible(seed) as generator:
            drawn.append((torch.rand(()).item(), torch.rand((), generator=generator).item()))
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
