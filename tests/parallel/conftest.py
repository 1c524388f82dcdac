"""One Ray for all tests of this folder: starting it costs more than most of them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest
import torch

from components.parallel.workers import Workers, ray_of

TWO = Workers(count=2)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the workers have it: what is compared to the byte is not to hang on what another test left set."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def one_ray() -> Iterator[Workers]:
    """Two workers of one thread each."""
    if find_spec("ray") is None:  # not by an import: Ray reads its environment when it is imported
        pytest.skip("Ray is not installed (the extra ray)")
    with ray_of(TWO):
        yield TWO
